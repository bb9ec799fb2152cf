//! The artifact that a benchmark job leaves for the workflow that comments: made by a fork's code, so untrusted data.
//!
//! Its figures are taken in a strict form, to recompute the verdict by the base branch's configuration and
//! baselines. Its text (`warnings`, reasons, standard error, `base.loosened`, names) decides nothing: it is only shown,
//! and every renderer of a report escapes what it shows. Nor do `base.accepted`, `base.lacks` and `skipped` excuse a
//! case from being judged. A pull request named in it is a claim, which [`super::identity`] holds against what GitHub says.
//!
//! A fork's code can still invent fast samples that look like measured ones: nothing in a file proves that it was
//! measured. That is why maintainers approve the runs of outside contributors and read the change first, and why no
//! baseline is recorded from an artifact without a maintainer.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::caps::Caps;
use super::event::WorkflowRun;
use super::plausible::{self, is_plain, shown};
use crate::config::Config;
use crate::revision::git;
use crate::store::record::RunRecord;

/// Name of the file that holds the pull request's number.
pub const PULL_REQUEST: &str = "pull-request";

/// What a benchmark job left, read and checked, and still a stranger's word.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Number of the pull request that it says it is of, if it says so.
    pub pull_request: Option<u64>,
    /// The records with their files, in the order of the files' names; at least one.
    pub records: Vec<(PathBuf, RunRecord)>,
}

/// Why an artifact is refused, with the file at fault. One line; nothing in it has a meaning for GitHub's log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ArtifactError(String);

impl Artifact {
    /// Reads `folder`, which must hold at least one `*.json` run record, and else [`PULL_REQUEST`] at most; `now` is for what
    /// claims to come from the future.
    ///
    /// Opens plain files only, of `caps` at most, whatever their names and kinds say.
    pub fn open(folder: &Path, caps: &Caps, now: Timestamp) -> Result<Self, ArtifactError> {
        let mut left = caps.total_bytes;
        let (mut pull_request, mut records) = (None, Vec::new());
        for name in list(folder, caps)? {
            let path = folder.join(&name);
            let text = read(&path, caps.file_bytes.min(left))?;
            left -= text.len() as u64;
            if name == PULL_REQUEST {
                pull_request = Some(number(&text).ok_or_else(|| {
                    refused(&path, "is not the number of a pull request: write its decimal digits into it, at most ten")
                })?);
            } else {
                records.push((path.clone(), Self::record(&text, &path, caps, now)?));
            }
        }
        if records.is_empty() {
            return Err(refused(
                folder,
                "has no run record: put the file that `wanbench check` saved into it, as *.json",
            ));
        }
        Ok(Self { pull_request, records })
    }

    /// Reads the text of one of its run records; `path` is for messages.
    pub fn record(text: &str, path: &Path, caps: &Caps, now: Timestamp) -> Result<RunRecord, ArtifactError> {
        // Where it fails to be one, the message quotes it.
        let record = RunRecord::parse(text, path).map_err(|error| ArtifactError(shown(&error.to_string())))?;
        plausible::check(&record, caps, now).map_err(|reason| refused(path, &reason))?;
        Ok(record)
    }

    /// An error where `config`, the base branch's, does not have a record's suite.
    pub fn check_against(&self, config: &Config) -> Result<(), ArtifactError> {
        let unknown = self.records.iter().find(|(_, record)| !config.suites.contains_key(&record.suite));
        let Some((path, record)) = unknown else { return Ok(()) };
        let suites: Vec<_> = config.suites.keys().map(|name| shown(name)).collect();
        let (suite, suites) = (shown(&record.suite), suites.join(", "));
        let reason = format!("is of the suite {suite}, which the base branch does not have: measure {suites}");
        Err(refused(path, &reason))
    }

    /// An error where a record is not of the commit and the time of `run`.
    pub fn check_run(&self, run: &WorkflowRun) -> Result<(), ArtifactError> {
        for (path, record) in &self.records {
            let commit = record.tool.commit.as_deref().unwrap_or("none");
            if git::clean(commit) != run.head_sha {
                let (commit, head) = (shown(commit), &run.head_sha);
                return Err(refused(
                    path,
                    &format!("is of the commit {commit}, but the run is of {head}: measure that"),
                ));
            }
            let Some([began, ended]) = run.times else { continue };
            let is_within = record.started >= began - CLOCKS_APART && record.started <= ended + CLOCKS_APART;
            if !is_within {
                let started = record.started;
                return Err(refused(
                    path,
                    &format!(
                        "began at {started}, but the run from {began} to {ended}: set the clock of the machine that measured"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// As far may a machine's clock and GitHub's be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);

/// The names of the files in `folder`, sorted; an error for all that does not belong there, before anything is opened.
fn list(folder: &Path, caps: &Caps) -> Result<Vec<String>, ArtifactError> {
    let unreadable = |cause: io::Error| refused(folder, &format!("cannot be read: {cause}"));
    let mut names = Vec::new();
    let mut bytes = 0_u64;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !is_expected(&name) {
            let reason =
                format!("holds {}: only {PULL_REQUEST} and plainly named *.json files belong there", shown(&name));
            return Err(refused(folder, &reason));
        }
        if names.len() == caps.files {
            return Err(refused(folder, &format!("holds more than {} files: leave out some machines", caps.files)));
        }
        // Of the entry itself, not of what a link leads to.
        let metadata = entry.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(refused(&entry.path(), NO_FILE));
        }
        if metadata.len() > caps.file_bytes {
            return Err(too_large(&entry.path(), caps.file_bytes));
        }
        bytes = bytes.saturating_add(metadata.len());
        names.push(name);
    }
    if bytes > caps.total_bytes {
        return Err(too_large(folder, caps.total_bytes));
    }
    names.sort();
    Ok(names)
}

fn is_expected(name: &str) -> bool {
    name == PULL_REQUEST || (is_plain(name) && !name.starts_with('.') && name.ends_with(".json"))
}

const NO_FILE: &str = "is not a plain file: links and folders are not followed";

/// The text of a plain file of at most `limit` bytes, even if it is another one than was listed.
fn read(path: &Path, limit: u64) -> Result<String, ArtifactError> {
    let unreadable = |cause: io::Error| refused(path, &format!("cannot be read: {cause}"));
    // Neither follows a link nor waits for a pipe's other end.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(refused(path, NO_FILE));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(path, limit));
    }
    String::from_utf8(bytes).map_err(|_| refused(path, "is not UTF-8 text"))
}

/// At most ten decimal digits, with or without a line feed behind them; above zero.
fn number(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('\n').unwrap_or(text);
    let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number > 0)
}

fn too_large(path: &Path, limit: u64) -> ArtifactError {
    refused(path, &format!("is larger than {limit} bytes: measure fewer cases or machines at once"))
}

fn refused(path: &Path, reason: &str) -> ArtifactError {
    ArtifactError(format!("{}: {reason}", path.display()))
}
