//! Reading the files of a checkpoint: why one cannot be used, and its JSON.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::read::{self, Limit};

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tensors are not those of the declared architecture.
    #[error("{folder} does not hold the declared WanModel:\n{}", differences.join("\n"))]
    Mismatch {
        /// The checkpoint folder.
        folder: PathBuf,
        /// One line per missing, extra or mis-shaped tensor.
        differences: Vec<String>,
    },
}

/// Reads a JSON file of a checkpoint.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, CheckpointError> {
    parse_json(&read_text(path)?, path)
}

/// The text of such a file.
pub(super) fn read_text(path: &Path) -> Result<String, CheckpointError> {
    read::text(path, Limit::CHECKPOINT_JSON).map_err(|cause| CheckpointError::Read { path: path.to_owned(), cause })
}

/// Reads the text of such a file; `path` is for messages.
pub(super) fn parse_json<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, CheckpointError> {
    serde_json::from_str(text)
        .map_err(|error| CheckpointError::Malformed { path: path.to_owned(), reason: error.to_string() })
}
