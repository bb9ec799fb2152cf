//! Saving files so that a reader sees the old content or the new, never a part.
//!
//! A link is followed: what it leads to is replaced, and the link stays. What is no regular file (a pipe, a device) is written
//! into as it is.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::{NamedTempFile, TempDir};

/// How the names of unfinished files and folders begin.
pub(super) const UNFINISHED: &str = ".wanbench-";

/// Bytes of JSON above which it is compressed.
const PLAIN_BYTES: usize = 16 << 20;

/// Links that are followed to a file which is not there yet; the system's own limit.
const MOST_LINKS: usize = 40;

/// Writes `path` through a temporary file beside it, synced and then renamed into place.
///
/// Missing parent folders are made. On any error the old file stays as it was and the temporary is removed.
pub fn atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if let Some(special) = special(path)? {
        return buffered(special, write).map(drop);
    }
    let path = destination(path)?;
    let temporary = buffered(temporary_beside(&path)?, write)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes `text` to `path`, see [`atomically`].
pub fn text(path: &Path, text: &str) -> io::Result<()> {
    atomically(path, |out| out.write_all(text.as_bytes()))
}

/// Writes `bytes` to `path` unless something is there already, which stays: [`io::ErrorKind::AlreadyExists`] then.
pub fn new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = temporary_beside(path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes `text` at the end of `path`, in one write.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    match special(path)? {
        Some(mut special) => special.write_all(text.as_bytes()),
        None => OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes()),
    }
}

/// A new folder beside `path`, to be filled and then to become it, see [`folder`]; it goes when dropped. Missing parent
/// folders are made.
pub fn folder_beside(path: &Path) -> io::Result<TempDir> {
    let parent = parent(path);
    fs::create_dir_all(parent)?;
    tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent)
}

/// Lets the finished folder `making` become `path`, which must not be there.
pub fn folder(making: TempDir, path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(making.path())? {
        File::open(entry?.path())?.sync_all()?;
    }
    // A temporary folder is private by default.
    fs::set_permissions(making.path(), Permissions::from_mode(0o755))?;
    fs::rename(making.path(), path)?;
    // It is no temporary folder any more.
    let _ = making.keep();
    Ok(())
}

/// Lets `link` lead to `target`; a link that is there is replaced, a folder stays.
pub fn link(target: &Path, link: &Path) -> io::Result<()> {
    if link.is_dir() && !link.is_symlink() {
        return Ok(());
    }
    let making = folder_beside(link)?;
    let new = making.path().join("link");
    std::os::unix::fs::symlink(target, &new)?;
    fs::rename(new, link)
}

/// Fails where [`atomically`] would fail to begin: makes the folder and a temporary file, removes that again and leaves
/// the file at `path` as it is.
pub fn probe(path: &Path) -> io::Result<()> {
    match special(path)? {
        Some(_) => Ok(()),
        None => temporary_beside(&destination(path)?).map(drop),
    }
}

/// Writes `value` as indented JSON with a final newline, see [`atomically`].
pub fn json<T: serde::Serialize>(path: &Path, value: &T) -> io::Result<()> {
    atomically(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Writes `value` as JSON on one line, see [`atomically`]; what is larger than [`PLAIN_BYTES`] is compressed, whatever the file
/// is called, as [`read::text`](super::read::text) reads it.
pub fn compact_json<T: serde::Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    if text.len() <= PLAIN_BYTES {
        return atomically(path, |out| out.write_all(&text));
    }
    atomically(path, |out| {
        // It is written after every block: fast rather than small.
        let mut packed = GzEncoder::new(out, Compression::fast());
        packed.write_all(&text)?;
        packed.finish().map(drop)
    })
}

/// Lets a write beyond the process's limit on the size of files (`ulimit -f`) fail, where it would end the process and leave
/// its unfinished files behind. Programs that are started later have their own way again.
pub fn survive_size_limit() {
    extern "C" fn survive(_: libc::c_int) {}
    // SAFETY: the handler does nothing, so it can interrupt anything.
    unsafe { libc::signal(libc::SIGXFSZ, survive as extern "C" fn(libc::c_int) as libc::sighandler_t) };
}

/// Where a file of this name is: the end of its links, whether it is there or not.
pub fn destination(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            // It is no link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links lead from one to the next"))
}

/// What is at `path`, opened for writing, if that is neither a regular file nor nothing; a folder is an error.
///
/// The files of an open process are among it: whoever holds one would not see another file in its place.
fn special(path: &Path) -> io::Result<Option<File>> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if kind.is_file() && !is_of_a_process(path) {
        return Ok(None);
    }
    // A pipe that nobody reads from is an error, not a wait; a slow reader is waited for.
    let file = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - rustix::fs::OFlags::NONBLOCK)?;
    Ok(Some(file))
}

/// Whether something at `path` is no file whose content would be replaced: a pipe, a device, an open file of a process.
pub fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) || is_of_a_process(path)
}

/// Whether `path` leads to an open file of a process, as /dev/stdout does.
fn is_of_a_process(path: &Path) -> bool {
    let is_descriptor =
        |path: &Path| path.starts_with("/dev/fd") || (path.starts_with("/proc") && parent(path).ends_with("fd"));
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if is_descriptor(&path) {
            return true;
        }
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            Err(_) => return false,
        }
    }
    false
}

/// `out` with what `write` wrote.
fn buffered<W: Write>(out: W, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<W> {
    let mut buffered = BufWriter::new(out);
    write(&mut buffered)?;
    buffered.into_inner().map_err(io::IntoInnerError::into_error)
}

/// A new file in the folder of `path`, which is made if it is missing; it goes when dropped.
pub(super) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = parent(path);
    fs::create_dir_all(folder)?;
    // A temporary file is private by default; a saved one has what the user's umask leaves.
    let permissions = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(UNFINISHED).permissions(permissions).tempfile_in(folder)
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_save_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        atomically(&path, |out| out.write_all(b"old")).unwrap();
        let failed = atomically(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_a_folder_is_not() {
        let home = tempfile::tempdir().unwrap();
        let [one, two, link_path] = ["one", "two", "links/link"].map(|name| home.path().join(name));
        let making = tempfile::tempdir_in(home.path()).unwrap();
        fs::write(making.path().join("file"), "whole").unwrap();
        folder(making, &one).unwrap();
        fs::create_dir(&two).unwrap();
        link(&one, &link_path).unwrap();
        assert_eq!(fs::read_to_string(link_path.join("file")).unwrap(), "whole");
        link(&two, &link_path).unwrap();
        assert_eq!(fs::read_link(&link_path).unwrap(), two);
        link(&one, &two).unwrap();
        assert!(!two.is_symlink());
        // Nothing temporary is left.
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 3);
        assert_eq!(fs::read_dir(home.path().join("links")).unwrap().count(), 1);
    }

    #[test]
    fn a_link_leads_to_the_new_file_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let [target, link_path, dangling] = ["target", "link", "dangling"].map(|name| home.path().join(name));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink("target", &link_path).unwrap();
        std::os::unix::fs::symlink("new", &dangling).unwrap();
        text(&link_path, "new").unwrap();
        text(&dangling, "made").unwrap();
        assert!(link_path.is_symlink() && dangling.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_to_string(home.path().join("new")).unwrap(), "made");
        std::os::unix::fs::symlink("loop", home.path().join("loop")).unwrap();
        assert!(text(&home.path().join("loop"), "").is_err());
    }

    #[test]
    fn a_device_is_written_into_and_a_folder_refused() {
        assert!([Path::new("/dev/null"), Path::new("/dev/stderr")].into_iter().all(is_special));
        assert!([Path::new("/dev/shm/file"), Path::new("/proc/version")].into_iter().all(|path| !is_special(path)));
        text(Path::new("/dev/null"), "gone").unwrap();
        assert!(!Path::new("/dev/null").is_file());
        let home = tempfile::tempdir().unwrap();
        assert_eq!(text(home.path(), "").unwrap_err().to_string(), "it is a folder");
        let error = text(Path::new("/dev/full"), "text");
        assert!(error.is_err() || !Path::new("/dev/full").exists());
    }
}
