//! One measuring run at a time on a machine, for all users: concurrent runs would distort each other.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::awake::Awake;
use crate::text::escape::one_line;

/// The lock's file: one place for all users, which the temporary folder of macOS is not.
const PATH: &str = "/tmp/wanbench-measuring.lock";
/// Names another file in its place, as tests do.
const VARIABLE: &str = "WANBENCH_LOCK";

/// How the name of a holder begins.
const SIGNATURE: &str = "process ";

/// Bytes of the holder's words that are shown.
const LONGEST_HOLDER: u64 = 200;

/// Held while measuring, during which a Mac does not fall asleep. The lock belongs to the open file, so it goes with the process,
/// however that ends.
#[derive(Debug)]
pub struct MeasuringLock {
    _file: File,
    _awake: Awake,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error(
        "another run is measuring on this machine ({holder}), and concurrent runs would distort each other: wait until it has \
         finished, or let this command wait with --wait (the lock is {path})", path = path.display()
    )]
    Held {
        /// What the other run wrote of itself.
        holder: String,
        /// The lock's file.
        path: PathBuf,
    },
    /// Its file cannot be opened.
    #[error("cannot lock {path}: {cause}; set {VARIABLE} to use another file")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// The operating system's reason.
        cause: io::Error,
    },
}

impl MeasuringLock {
    /// Takes the machine's lock and leaves this process's name in it; never waits.
    pub fn acquire() -> Result<Self, LockError> {
        Self::acquire_at(&path(), &own_name())
    }

    /// The same, after waiting for whoever holds it and for those who waited before.
    pub fn wait() -> Result<Self, LockError> {
        let path = path();
        let io = |cause| LockError::Io { path: path.clone(), cause };
        let file = open(&path).and_then(own_file).map_err(io)?;
        file.lock().map_err(io)?;
        Self::sign(file, &own_name()).map_err(io)
    }

    fn acquire_at(path: &Path, holder: &str) -> Result<Self, LockError> {
        let io = |cause| LockError::Io { path: path.to_owned(), cause };
        let file = open(path).and_then(own_file).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = Vec::new();
                (&file).take(LONGEST_HOLDER).read_to_end(&mut holder).map_err(io)?;
                // Whatever another user wrote there.
                let holder = one_line(String::from_utf8_lossy(&holder).trim());
                return Err(LockError::Held { holder, path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        Self::sign(file, holder).map_err(io)
    }

    fn sign(mut file: File, holder: &str) -> io::Result<Self> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{holder}")?;
        Ok(Self { _file: file, _awake: Awake::hold() })
    }
}

fn path() -> PathBuf {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map_or(PATH.into(), PathBuf::from)
}

fn own_name() -> String {
    let user = std::env::var("USER").map_or_else(|_| String::new(), |user| format!(" of {user}"));
    format!("{SIGNATURE}{}{user} since {:.0}", std::process::id(), Timestamp::now())
}

/// A second name for the file would be somebody's other file, to be overwritten, and so is one that nobody signed.
fn own_file(mut file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(io::Error::other("it is not a regular file: remove it"));
    }
    let mut signed = Vec::new();
    (&file).take(SIGNATURE.len() as u64).read_to_end(&mut signed)?;
    file.rewind()?;
    match SIGNATURE.as_bytes().starts_with(&signed) {
        true => Ok(file),
        false => Err(io::Error::other("it holds something else than a lock: remove it")),
    }
}

/// Opens the file, made where it is not there, for every user to lock.
///
/// It lies where all may write: a link that someone put there is not followed, and a file that is there is opened without
/// asking for its creation, which Linux refuses for another user's file in such a folder (`fs.protected_regular`).
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match options.create_new(true).open(path) {
        // Another run made it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.create_new(false).open(path),
        Ok(file) => file.set_permissions(Permissions::from_mode(0o666)).map(|()| file),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_is_told_who_holds_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = MeasuringLock::acquire_at(&path, "process 7").unwrap();
        let refused = MeasuringLock::acquire_at(&path, "process 8").unwrap_err();
        assert!(refused.to_string().contains("(process 7)"), "{refused}");
        drop(first);
        MeasuringLock::acquire_at(&path, "process 8").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "process 8\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666, "every user may lock it");
    }

    #[test]
    fn another_name_of_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "precious").unwrap();
        std::fs::hard_link(&target, &link).unwrap();
        assert!(matches!(MeasuringLock::acquire_at(&link, "1"), Err(LockError::Io { .. })));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn a_file_that_is_no_lock_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "precious").unwrap();
        let refused = MeasuringLock::acquire_at(&path, "process 1").unwrap_err();
        assert!(refused.to_string().contains("holds something else than a lock"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(MeasuringLock::acquire_at(&link, "1"), Err(LockError::Io { .. })));
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }
}
