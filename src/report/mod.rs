//! Reports: one model, rendered as Markdown, text or JSON.
//!
//! Every rendering is a pure function of a [`Report`], so that a saved record gives the same report again. What two
//! renderings share (the verdict's words, the table's cells) is made once, in `headline`, `review` and `summary`.

use std::path::Path;

use jiff::Timestamp;

use crate::config::Thresholds;
use crate::gate::Comparison;
use crate::store::baseline::{Baseline, Import};
use crate::store::record::RunRecord;

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

pub use headline::Standing;
pub use progress::{Progress, Waiting};

/// All that a report tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was measured.
    pub record: RunRecord,
    /// How it was judged.
    pub comparison: Comparison,
    /// The tolerances it was judged by.
    pub gate: Thresholds,
    /// The baseline it was judged against; `None` where this machine has none.
    pub baseline: Option<Source>,
    /// Path, as a user would type it, of the baseline file that an update writes.
    pub baseline_file: String,
    /// Whether an earlier run is the measure: then there is no baseline to record or to mend.
    pub is_comparison: bool,
    /// Path, as a user would type it, of the saved record: what `wanbench baseline update --from` takes.
    pub results_file: String,
    /// What the user asked for besides.
    pub demands: Demands,
    /// How this program was called, for the commands in the advice.
    pub program: String,
    /// What they need besides, such as ` --baselines DIR`; empty where the usual places serve.
    pub flags: String,
}

/// What a run must have beside no regression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// A baseline of its machine.
    pub baseline: bool,
    /// A conclusion on every figure.
    pub conclusions: bool,
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
    /// How the run stands: what the exit code says.
    pub fn standing(&self) -> Standing {
        Standing::of(self)
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
