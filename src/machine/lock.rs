//! One measuring run at a time for all that share a cache folder, usually a user: two would measure each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held while measuring. The lock belongs to the open file, so it goes with the process, however that ends.
#[derive(Debug)]
pub struct MeasuringLock {
    _file: File,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error(
        "another run is measuring on this machine ({holder}), and two would measure each other: wait until it is done"
    )]
    Held {
        /// What the other run wrote of itself.
        holder: String,
    },
    /// Its file cannot be opened.
    #[error("cannot lock {path}: {cause}; WANBENCH_CACHE names another folder")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// The operating system's reason.
        cause: io::Error,
    },
}

impl MeasuringLock {
    /// Takes the lock that lies in `folder`, naming `holder` in it; never waits.
    pub fn acquire(folder: &Path, holder: &str) -> Result<Self, LockError> {
        let path = folder.join("measuring.lock");
        let io = |cause| LockError::Io { path: path.clone(), cause };
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(io)?;
                return Err(LockError::Held { holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}")).map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_is_told_who_holds_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let first = MeasuringLock::acquire(folder.path(), "process 7").unwrap();
        let refused = MeasuringLock::acquire(folder.path(), "process 8").unwrap_err();
        assert!(refused.to_string().contains("(process 7)"), "{refused}");
        drop(first);
        MeasuringLock::acquire(folder.path(), "8").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("measuring.lock")).unwrap(), "8\n");
    }
}
