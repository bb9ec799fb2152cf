//! Saving files so that a reader sees the old content or the new, never a part.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::NamedTempFile;

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
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    // A temporary file is private by default; a saved one has what the user's umask leaves.
    let permissions = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".wanbench-").permissions(permissions).tempfile_in(folder)
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
}
