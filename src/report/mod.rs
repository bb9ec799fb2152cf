//! Reports: one model, rendered as Markdown, text or JSON.
//!
//! Every rendering is a pure function of a [`Report`], so that a saved record gives the same report again. What two
//! renderings share (the verdict's words, the table's cells) is made once, in `headline`, `review` and `summary`.

use std::path::Path;

use jiff::Timestamp;

use crate::config::Thresholds;
use crate::gate::recording::Doubts;
use crate::gate::{Outcome, Standing};
use crate::store::baseline::{Baseline, Import};
use crate::store::record::RunRecord;
use crate::text::shell;

pub mod annotations;
pub mod comment;
pub mod doctor;
mod evidence;
mod headline;
pub mod json;
pub mod markdown;
mod next_steps;
pub mod plan;
pub mod profile;
pub mod progress;
mod review;
mod summary;
pub mod text;
mod throughput;
mod trend;

#[cfg(test)]
pub(crate) mod tests;

pub use progress::{Progress, Waiting};

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was measured.
    pub record: RunRecord,
    /// How it was judged.
    pub outcome: Outcome,
    /// The tolerances it was judged by.
    pub thresholds: Thresholds,
    /// The baseline it was judged against; `None` where this machine has none.
    pub baseline: Option<Source>,
    /// Path, as a user would type it, of the baseline file that an update writes.
    pub baseline_file: String,
    /// Whether an earlier run is the measure: then there is no baseline to record or to mend.
    pub is_comparison: bool,
    /// Why the run should not become a baseline; empty where it may.
    pub doubts: Doubts,
    /// How the commands in the advice are called.
    pub invocation: Invocation,
}

/// How the commands in the advice are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// This program, as it was called.
    pub program: String,
    /// Path, as a user would type it, of the saved record: what `wanbench baseline update --from` takes.
    pub results_file: String,
    /// Flags for the configuration and the baselines, where the usual places do not serve.
    pub sources: Vec<String>,
    /// All flags that measure the same again, but for the number of launches.
    pub check: Vec<String>,
}

/// Where a baseline comes from.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Source {
    /// Its file, as a user would type it.
    pub file: String,
    /// The report it was imported from, if it was not measured by wanbench.
    pub imported: Option<Import>,
    /// Date of the latest job in it.
    pub last_job: Option<Timestamp>,
    /// Commit of the latest job in it.
    pub last_commit: Option<String>,
}

impl Report {
    /// How the run stands: what the exit status says.
    pub fn standing(&self) -> Standing {
        self.outcome.standing
    }
}

impl Invocation {
    /// A command of this program with the flags for the configuration and the baselines, for a shell.
    pub fn command<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> String {
        let flags = self.sources.iter().map(String::as_str);
        shell::command([self.program.as_str()].into_iter().chain(words).chain(flags))
    }

    /// The command that measures and judges the same again, with so many launches.
    pub fn check(&self, launches: usize) -> String {
        let launches = launches.to_string();
        let words = [self.program.as_str(), "check"].into_iter().chain(self.check.iter().map(String::as_str));
        shell::command(words.chain(["--launches", &launches]))
    }
}

impl Source {
    /// Tells about `baseline`, read from `path`.
    pub fn new(path: &Path, baseline: &Baseline) -> Self {
        let last = baseline.cases.values().flat_map(|case| &case.jobs).max_by_key(|job| job.date);
        Self {
            file: path.display().to_string(),
            imported: baseline.imported.clone(),
            last_job: last.map(|job| job.date),
            last_commit: last.and_then(|job| job.commit.clone()),
        }
    }

    /// In words: the file and how old it is.
    pub(crate) fn describe(&self) -> String {
        match (&self.imported, self.last_job) {
            (Some(import), _) => {
                format!("{}, imported from {} (generated {})", self.file, import.source, import.generated)
            }
            (None, Some(date)) => {
                let commit =
                    self.last_commit.as_ref().map_or_else(String::new, |commit| format!(" at {}", short(commit)));
                format!("{}, last recorded {date:.0}{commit}", self.file)
            }
            (None, None) => self.file.clone(),
        }
    }
}

/// A commit as people write it.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
