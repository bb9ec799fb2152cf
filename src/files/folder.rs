//! Changing files of a folder together, one process at a time.
//!
//! What changes is written into a folder of its own first, which is then given its final name in one step: from then on the
//! change is decided, and whoever comes next completes it, should this process be killed before it has moved the files.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::save::{self, UNFINISHED};

/// The folder of a decided change, in the folder that it changes.
const DECIDED: &str = ".wanbench-decided";

/// A folder that no other process changes. The lock belongs to the open folder, so it goes with the process, however that
/// ends, and leaves no file behind.
#[derive(Debug)]
pub struct Locked {
    folder: PathBuf,
    _lock: File,
}

impl Locked {
    /// Takes the lock of `folder`, which is made if it is missing, and completes what a killed process decided. Where another
    /// process holds it, that is told to `on_wait`, and waited for.
    ///
    /// A file system that cannot lock folders, as NFS, is used without.
    pub fn acquire(folder: &Path, on_wait: impl FnOnce()) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = File::open(folder)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                on_wait();
                file.lock()?;
            }
            Err(TryLockError::Error(error)) if !cannot_lock(&error) => return Err(error),
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let locked = Self { folder: folder.to_owned(), _lock: file };
        locked.complete()?;
        locked.remove_unfinished()?;
        Ok(locked)
    }

    /// Writes the `files`, paths in this folder and their texts: all of them or, on an error before they are decided, none.
    ///
    /// Nothing unfinished lies beside the files at any moment: whoever comes after a killed process could not tell it from
    /// what another one is writing.
    pub fn replace(&self, files: &[(&Path, &str)]) -> io::Result<()> {
        let decided = self.folder.join(DECIDED);
        let making = save::folder_beside(&decided)?;
        for (path, text) in files {
            self.probe(path)?;
            save::text(&making.path().join(path.file_name().unwrap_or_default()), text)?;
        }
        save::folder(making, &decided)?;
        self.complete()
    }

    /// Fails where the file at `path` could not be replaced; the folder itself is known to be writable.
    fn probe(&self, path: &Path) -> io::Result<()> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        let destination = save::destination(path)?;
        if save::parent(&destination) == self.folder { Ok(()) } else { save::probe(&destination) }
    }

    /// Moves the files of a decided change to their places.
    fn complete(&self) -> io::Result<()> {
        let decided = self.folder.join(DECIDED);
        let entries = match fs::read_dir(&decided) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = save::destination(&self.folder.join(entry.file_name()))?;
            match fs::rename(entry.path(), &path) {
                // A link led there.
                Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                    let bytes = fs::read(entry.path())?;
                    save::atomically(&path, |out| out.write_all(&bytes))?;
                    fs::remove_file(entry.path())?;
                }
                moved => moved?,
            }
        }
        fs::remove_dir(decided)
    }

    /// Removes the folders in which killed processes were writing a change that they did not decide.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let is_unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
            if is_unfinished && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Completes in `folder` what a killed process decided; nothing to do is nothing done.
pub fn complete(folder: &Path) -> io::Result<()> {
    if folder.join(DECIDED).is_dir() { Locked::acquire(folder, || ()).map(drop) } else { Ok(()) }
}

fn cannot_lock(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported || matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOLCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_files_are_replaced_through_links_and_nothing_else_is_left() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("baselines");
        fs::create_dir(&folder).unwrap();
        fs::write(home.path().join("elsewhere"), "old").unwrap();
        std::os::unix::fs::symlink("../elsewhere", folder.join("a")).unwrap();
        let locked = Locked::acquire(&folder, || ()).unwrap();
        locked.replace(&[(&folder.join("a"), "1"), (&folder.join("b"), "2")]).unwrap();
        assert!(folder.join("a").is_symlink());
        assert_eq!(fs::read_to_string(home.path().join("elsewhere")).unwrap(), "1");
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "2");
        assert_eq!(names(&folder), ["a", "b"]);
    }

    #[test]
    fn a_change_that_cannot_be_made_whole_is_not_made() {
        let home = tempfile::tempdir().unwrap();
        let [a, folder, socket] = ["a", "folder", "socket"].map(|name| home.path().join(name));
        fs::create_dir(&folder).unwrap();
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let locked = Locked::acquire(home.path(), || ()).unwrap();
        for other in [&folder, &socket] {
            let error = locked.replace(&[(&a, "1"), (other, "2")]).unwrap_err();
            assert_eq!(error.to_string(), "it is no regular file");
            assert_eq!(names(home.path()), ["folder", "socket"]);
        }
    }

    #[test]
    fn what_a_killed_process_decided_is_completed_and_what_it_did_not_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::write(path("a"), "old").unwrap();
        for (folder, text) in [(DECIDED, "new"), (".wanbench-x1y2z3", "half")] {
            fs::create_dir(path(folder)).unwrap();
            fs::write(path(folder).join("a"), text).unwrap();
        }
        complete(home.path()).unwrap();
        assert_eq!(fs::read_to_string(path("a")).unwrap(), "new");
        assert_eq!(names(home.path()), ["a"]);
    }

    #[test]
    fn a_second_process_waits() {
        let home = tempfile::tempdir().unwrap();
        let first = Locked::acquire(home.path(), || ()).unwrap();
        let (told, waits) = std::sync::mpsc::channel();
        let folder = home.path().to_owned();
        let second = std::thread::spawn(move || Locked::acquire(&folder, || told.send(()).unwrap()).is_ok());
        waits.recv().unwrap();
        drop(first);
        assert!(second.join().unwrap());
    }
}
