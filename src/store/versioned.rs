//! Saved JSON files that carry a schema version, which is looked at before anything else.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::files::read::{self, Limit};

/// Why a saved file cannot be used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// It is not of the expected form.
    #[error("{path}: not a valid {what}: {cause}")]
    Malformed {
        /// The file.
        path: String,
        /// What it should be.
        what: &'static str,
        /// Where it fails.
        cause: serde_json::Error,
    },
    /// It is as a merge left it.
    #[error(
        "{path}: has merge conflict markers at line {line}: resolve the conflict, or take one side (`git checkout --theirs`) and record again"
    )]
    Conflict {
        /// The file.
        path: String,
        /// The first marker's line, from 1.
        line: usize,
    },
    /// It holds what wanbench does not write, by the rules of [`valid`](super::valid).
    #[error("{path}: {reason}: the file was changed or damaged; restore it, or measure again")]
    Invalid {
        /// The file.
        path: String,
        /// The case, the figure and its value.
        reason: String,
    },
    /// It was written by another version.
    #[error("{path}: has schema {found}, but this wanbench reads schema {expected}: {}, or measure again", way_out(*found, *expected))]
    Schema {
        /// The file.
        path: String,
        /// Its schema.
        found: u64,
        /// Ours.
        expected: u32,
    },
}

impl ReadError {
    /// Of the file `path`, which holds what wanbench does not write.
    pub fn invalid(path: &Path, reason: String) -> Self {
        Self::Invalid { path: path.display().to_string(), reason }
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
    }
}

/// Which wanbench reads a file of the schema `found`.
fn way_out(found: u64, expected: u32) -> &'static str {
    match found > u64::from(expected) {
        true => "a newer wanbench wrote it: upgrade wanbench",
        false => "use the version that wrote it",
    }
}

/// Reads JSON whose `schema` must be `expected`; the version is looked at first, so that an old file is named as such.
pub fn read_versioned<T: DeserializeOwned>(
    path: &Path,
    limit: Limit,
    what: &'static str,
    expected: u32,
) -> Result<T, ReadError> {
    parse_versioned(&read(path, limit)?, path, what, expected)
}

/// Whether `path` holds a file of the form `T`, whatever its schema version: `T` has what is common to all of them.
pub fn has_form<T: DeserializeOwned>(path: &Path, limit: Limit) -> bool {
    read(path, limit).is_ok_and(|text| serde_json::from_str::<T>(&text).is_ok())
}

/// The text of `path`.
pub(super) fn read(path: &Path, limit: Limit) -> Result<String, ReadError> {
    read::text(path, limit).map_err(|cause| ReadError::Io { path: path.display().to_string(), cause })
}

/// The one key that every version of a file has.
#[derive(Deserialize)]
struct Versioned {
    schema: Option<u64>,
}

/// Reads the text of such a file; `path` is for messages.
pub fn parse_versioned<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    what: &'static str,
    expected: u32,
) -> Result<T, ReadError> {
    let name = || path.display().to_string();
    let malformed = |cause| match conflict(text) {
        Some(line) => ReadError::Conflict { path: name(), line },
        None => ReadError::Malformed { path: name(), what, cause },
    };
    // Nothing else is kept: a file from outside may hold much that the form does not have.
    let versioned: Versioned = serde_json::from_str(text).map_err(malformed)?;
    match versioned.schema {
        Some(found) if found != u64::from(expected) => Err(ReadError::Schema { path: name(), found, expected }),
        _ => serde_json::from_str(text).map_err(malformed),
    }
}

/// The line, from 1, of the first marker that a merge left.
fn conflict(text: &str) -> Option<usize> {
    text.lines().position(|line| line.starts_with("<<<<<<< ")).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_version_names_both_and_the_way_out() {
        let read = |text: &str| parse_versioned::<Versioned>(text, Path::new("a.json"), "record", 3).map(drop);
        let newer = read("{\"schema\": 4, \"unknown\": 1}").unwrap_err().to_string();
        assert_eq!(
            newer,
            "a.json: has schema 4, but this wanbench reads schema 3: a newer wanbench wrote it: upgrade wanbench, or measure again"
        );
        let older = read("{\"schema\": 2}").unwrap_err().to_string();
        assert_eq!(
            older,
            "a.json: has schema 2, but this wanbench reads schema 3: use the version that wrote it, or measure again"
        );
    }

    #[test]
    fn a_merge_conflict_is_named_as_such() {
        let text = "{\n<<<<<<< HEAD\n  \"schema\": 1\n=======\n  \"schema\": 1\n>>>>>>> topic\n}\n";
        let error = parse_versioned::<Versioned>(text, Path::new("a.json"), "baseline", 1).map(drop).unwrap_err();
        assert!(error.to_string().starts_with("a.json: has merge conflict markers at line 2: resolve"), "{error}");
        let error = parse_versioned::<Versioned>("{", Path::new("a.json"), "baseline", 1).map(drop).unwrap_err();
        assert!(error.to_string().starts_with("a.json: not a valid baseline: "), "{error}");
    }
}
