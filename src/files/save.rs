//! Saving files so that a reader sees the old content or the new, never a part.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// Writes `path` through a temporary file beside it, synced and then renamed into place.
///
/// Missing parent folders are made. On any error the old file stays as it was and the temporary is removed.
pub fn atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = temporary_beside(path)?;
    {
        let mut buffered = BufWriter::new(temporary.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes `bytes` to `path` unless something is there already, which stays: [`io::ErrorKind::AlreadyExists`] then.
pub fn new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = temporary_beside(path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
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
    let folder = parent(link);
    fs::create_dir_all(folder)?;
    let making = tempfile::Builder::new().prefix(".wanbench-").tempdir_in(folder)?;
    let new = making.path().join("link");
    std::os::unix::fs::symlink(target, &new)?;
    fs::rename(new, link)
}

/// Fails where [`atomically`] would fail to begin: makes the folder and a temporary file, removes that again and leaves
/// the file at `path` as it is.
pub fn probe(path: &Path) -> io::Result<()> {
    temporary_beside(path).map(drop)
}

/// Writes `value` as indented JSON with a final newline, see [`atomically`].
pub fn json<T: serde::Serialize>(path: &Path, value: &T) -> io::Result<()> {
    atomically(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// A new file in the folder of `path`, which is made if it is missing; it goes when dropped.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = parent(path);
    fs::create_dir_all(folder)?;
    // A temporary file is private by default; a saved one has what the user's umask leaves.
    let permissions = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".wanbench-").permissions(permissions).tempfile_in(folder)
}

fn parent(path: &Path) -> &Path {
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
}
