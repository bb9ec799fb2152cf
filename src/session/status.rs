//! How the process ends, and what decides it.

use std::io;

use wanbench::config::ConfigError;
use wanbench::report::Standing;
use wanbench::runner::MaterialsError;
use wanbench::store::ReadError;
use wanbench::wan::CheckpointError;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Nothing failed.
    Pass = 0,
    /// A figure or an output is out of its tolerance.
    GateFailed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Something could not be measured.
    CannotMeasure = 3,
}

/// What the user asked for does not exist or does not fit together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Whether the user can mend `error` in what was given: the command line, the configuration, a file.
pub fn is_usage_error(error: &anyhow::Error) -> bool {
    let is_material = matches!(error.downcast_ref(), Some(fault) if !matches!(fault, MaterialsError::Write { .. }));
    let is_file = error.is::<ReadError>() || error.is::<CheckpointError>() || is_material;
    error.is::<ConfigError>() || error.is::<UsageError>() || is_file
}

/// Whether `error` is a closed standard output.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|io| io.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit status of a judgement.
pub fn status(standing: Standing) -> ExitStatus {
    match standing {
        Standing::Failed => ExitStatus::GateFailed,
        Standing::NotMeasured => ExitStatus::CannotMeasure,
        Standing::Passed => ExitStatus::Pass,
    }
}
