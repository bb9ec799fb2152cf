//! Reports: one model, rendered as Markdown, text or JSON.
//!
//! Every rendering is a pure function of a [`Report`], so that a saved record gives the same report again. What two
//! renderings share (the verdict's words, the table's cells) is made once, in `headline`, `review` and `summary`.

use std::path::Path;

use jiff::Timestamp;

use crate::config::Thresholds;
use crate::gate::doubts::Doubts;
use crate::gate::{Gap, Outcome, Standing};
use crate::revision::git;
use crate::store::baseline::{Baseline, Import};
use crate::store::record::RunRecord;
use crate::text::shell;

pub mod annotations;
pub mod comment;
pub mod doctor;
pub mod doctor_file;
mod drift;
mod environment;
mod evidence;
pub mod export;
mod headline;
pub mod history;
pub mod json;
pub mod markdown;
mod next_steps;
pub mod notice;
pub mod plan;
pub mod profile;
pub mod progress;
mod review;
pub mod side_by_side;
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
    /// The flag for the configuration, where the usual place does not serve.
    pub config: Vec<String>,
    /// The flag for the baselines, likewise.
    pub baselines: Vec<String>,
    /// What else measures the same again.
    pub flags: Flags,
}

/// The flags that measured a record, but for the suite, the sources, the number of launches and the files that were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Of every command that measures: device, checkpoint, seed, how long, how weights come into memory.
    pub measure: Vec<String>,
    /// That leave cases out.
    pub selection: Vec<String>,
    /// That put other cases in the place of the suite's.
    pub axes: Vec<String>,
    /// Of a check alone, such as the base revision.
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

    /// The same report where something is missing that the judgement cannot know of, for `reason`: a sentence without its
    /// period. It does not pass any more.
    #[must_use]
    pub fn lacking(mut self, reason: String) -> Self {
        self.outcome.gaps.push(Gap { reason, fails: false });
        self.outcome.standing = self.outcome.standing.max(Standing::NotJudged);
        self
    }
}

impl Invocation {
    /// A command of this program with the flags for the configuration and the baselines, for a shell.
    pub fn command<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> String {
        self.line(words, &[&self.config, &self.baselines])
    }

    /// The command that looks for what is here, and what disturbs this machine; it knows no baselines.
    pub fn doctor(&self) -> String {
        self.line(["doctor"], &[&self.config])
    }

    /// The command that measures what this machine can tell apart in `suite`; it knows no baselines.
    pub fn calibrate(&self, suite: &str) -> String {
        self.line(["calibrate", "--suite", suite], &[&self.flags.measure, &self.config])
    }

    /// The command that measures and judges the same again, with so many launches.
    pub fn check(&self, suite: &str, launches: usize) -> String {
        let Flags { measure, selection, axes, check } = &self.flags;
        let launches = ["--launches".to_owned(), launches.to_string()];
        let flags: [&[String]; 7] = [selection, axes, measure, check, &self.config, &self.baselines, &launches];
        self.line(["check", "--suite", suite], &flags)
    }

    /// The command that measures and judges one case alone, with so many launches.
    pub fn check_case(&self, suite: &str, case: &str, launches: usize) -> String {
        let Flags { measure, axes, check, .. } = &self.flags;
        let alone = ["--filter".to_owned(), case.to_owned(), "--launches".to_owned(), launches.to_string()];
        let flags: [&[String]; 6] = [axes, measure, check, &self.config, &self.baselines, &alone];
        self.line(["check", "--suite", suite], &flags)
    }

    /// The command that measures and judges the whole of `suite`, without flags that leave cases out.
    pub fn check_whole(&self, suite: &str) -> String {
        let Flags { measure, check, .. } = &self.flags;
        self.line(["check", "--suite", suite], &[measure, check, &self.config, &self.baselines])
    }

    /// The command that measures one case alone and tells every launch.
    pub fn run_alone(&self, suite: &str, case: &str) -> String {
        let Flags { measure, axes, .. } = &self.flags;
        let words = ["run", "--suite", suite, "--filter", case, "--verbose"];
        self.line(words, &[axes, measure, &self.config, &self.baselines])
    }

    fn line<'a>(&'a self, words: impl IntoIterator<Item = &'a str>, flags: &[&'a [String]]) -> String {
        let flags = flags.iter().copied().flatten().map(String::as_str);
        shell::command([self.program.as_str()].into_iter().chain(words).chain(flags))
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
pub(crate) fn short(commit: &str) -> String {
    let clean = git::clean(commit);
    let mark = if clean == commit { "" } else { "-dirty" };
    format!("{}{mark}", clean.get(..12).unwrap_or(clean))
}
