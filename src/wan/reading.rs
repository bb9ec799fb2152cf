//! Reading the files of a checkpoint: why one cannot be used, and its JSON.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::read::{self, Limit};
use crate::text::escape::one_line;

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
    #[error(
        "{folder} does not hold the WanModel that it declares: take config.json and weights of one release:\n{}",
        listed(differences)
    )]
    Mismatch {
        /// The checkpoint folder.
        folder: PathBuf,
        /// One line per missing, extra or mis-shaped tensor.
        differences: Vec<String>,
    },
}

/// Differences that are told, of which there can be thousands.
const MOST_DIFFERENCES: usize = 10;

fn listed(differences: &[String]) -> String {
    let mut lines: Vec<String> = differences.iter().take(MOST_DIFFERENCES).map(|line| one_line(line)).collect();
    lines.iter_mut().for_each(|line| line.insert_str(0, "  "));
    let more = differences.len().saturating_sub(MOST_DIFFERENCES);
    lines.extend((more > 0).then(|| format!("  and {more} more")));
    lines.join("\n")
}

/// The declaration of the checkpoint `path`: in the folder, or beside the file.
pub(super) fn config_path(path: &Path) -> PathBuf {
    let folder = if path.is_file() { path.parent().unwrap_or(Path::new("")) } else { path };
    folder.join("config.json")
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
    serde_json::from_str(text).map_err(|error| {
        let reason = format!("{}: take the file of the checkpoint's release", one_line(&error.to_string()));
        CheckpointError::Malformed { path: path.to_owned(), reason }
    })
}
