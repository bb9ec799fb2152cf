//! How the process ends, and what decides it.
//!
//! An error carries the exit status. `?` takes one whose type decides it; any other must be given its status, with
//! [`OrStatus`], or the command does not compile. So the same fault has the same status in every command.

use std::fmt::{self, Display};

use wanbench::config::ConfigError;
use wanbench::gate::Standing;
use wanbench::github::ApiError;
use wanbench::github::event::EventError;
use wanbench::machine::LockError;
use wanbench::runner::MaterialsError;
use wanbench::store::ReadError;
use wanbench::store::import::ImportError;
use wanbench::wan::CheckpointError;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitStatus {
    /// Every case that was asked for has evidence, and none failed.
    Passed = 0,
    /// The gate failed.
    Failed = 1,
    /// The command line, the configuration or a file named there is wrong: missing, unreadable or malformed.
    Usage = 2,
    /// Something asked for could not be measured, judged, saved or posted.
    Incomplete = 3,
}

impl ExitStatus {
    /// This status where what was measured `is_saved`; else nothing has passed.
    pub fn if_saved(self, is_saved: bool) -> Self {
        if self == Self::Passed && !is_saved { Self::Incomplete } else { self }
    }
}

/// Why a command could not do what was asked, with the status that the process ends with.
#[derive(Debug)]
pub struct Error {
    status: ExitStatus,
    message: String,
}

/// What a command or a part of it gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Something that the user can mend in what was given.
    pub fn usage(message: impl Display) -> Self {
        Self { status: ExitStatus::Usage, message: format!("{message:#}") }
    }

    /// Something asked for that could not be done.
    pub fn incomplete(message: impl Display) -> Self {
        Self { status: ExitStatus::Incomplete, message: format!("{message:#}") }
    }

    /// What the process ends with.
    pub fn status(&self) -> ExitStatus {
        self.status
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Gives an error whose type does not decide it an exit status, and says what could not be done.
pub trait OrStatus<T> {
    /// It can be mended in what the user gave.
    fn or_usage<C: Display>(self, context: impl FnOnce() -> C) -> Result<T>;

    /// It kept something asked for from being done.
    fn or_incomplete<C: Display>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrStatus<T> for std::result::Result<T, E> {
    fn or_usage<C: Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| Error::usage(format!("{}: {:#}", context(), error.into())))
    }

    fn or_incomplete<C: Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| Error::incomplete(format!("{}: {:#}", context(), error.into())))
    }
}

/// Error types that have one status, whatever happened.
macro_rules! always {
    ($status:ident: $($error:ty),+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$status(error)
            }
        }
    )+};
}

always!(usage: ConfigError, ReadError, CheckpointError, EventError, ImportError);
always!(incomplete: LockError);

impl From<MaterialsError> for Error {
    fn from(error: MaterialsError) -> Self {
        match error {
            MaterialsError::Write { .. } => Self::incomplete(error),
            MaterialsError::Checkpoint(_) | MaterialsError::Quantized { .. } | MaterialsError::Workload { .. } => {
                Self::usage(error)
            }
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        match error {
            // Known before anything is asked; the rest is GitHub's answer, or none.
            ApiError::Address | ApiError::Token => Self::usage(error),
            _ => Self::incomplete(error),
        }
    }
}

/// The exit status of a judgement.
pub fn status(standing: Standing) -> ExitStatus {
    match standing {
        Standing::Failed => ExitStatus::Failed,
        Standing::NotJudged => ExitStatus::Incomplete,
        Standing::Passed => ExitStatus::Passed,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use wanbench::config::Config;

    use super::*;

    fn broken_disk() -> io::Error {
        io::Error::other("broken disk")
    }

    #[test]
    fn a_fault_has_its_status_wherever_it_occurs() {
        let read = |path: &str| Config::open(Path::new(path)).unwrap_err();
        let reason = || "too small".to_owned();
        let usage: [Error; 4] = [
            read("nowhere.toml").into(),
            ReadError::Io { path: "results.json".to_owned(), cause: broken_disk() }.into(),
            MaterialsError::Workload { workload: "5f".to_owned(), reason: reason() }.into(),
            ApiError::Token.into(),
        ];
        for error in usage {
            assert_eq!(error.status(), ExitStatus::Usage, "{error}");
        }
        let incomplete: [Error; 3] = [
            LockError::Held { holder: "process 7".to_owned(), path: "lock".into() }.into(),
            MaterialsError::Write { folder: "cache".into(), cause: broken_disk() }.into(),
            ApiError::Server { status: 503 }.into(),
        ];
        for error in incomplete {
            assert_eq!(error.status(), ExitStatus::Incomplete, "{error}");
        }
    }

    #[test]
    fn an_error_without_a_status_is_given_one_and_keeps_its_reasons() {
        let failed = || Err::<(), _>(anyhow::Error::new(broken_disk()).context("cannot write a"));
        let error = failed().or_incomplete(|| "--out a").unwrap_err();
        assert_eq!(
            (error.status(), error.to_string().as_str()),
            (ExitStatus::Incomplete, "--out a: cannot write a: broken disk")
        );
        assert_eq!(failed().or_usage(|| "--out a").unwrap_err().status(), ExitStatus::Usage);
    }
}
