//! What to do about a run.
//!
//! The words are plain text; each rendering escapes or colours them. Commands are in backticks.

use super::headline::with_verdict;
use super::{Report, short};
use crate::gate::{Compared, Finding, Metric, Verdict};
use crate::store::baseline::MODEL_MEMORY;

/// One thing to do.
pub(super) enum Step<'a> {
    /// Something that no figures are recorded by, in words.
    Do(String),
    /// Something to take up in the baseline.
    Record(Recording<'a>),
}

/// What of a run the baseline can take up.
pub(super) enum Recording<'a> {
    /// What fails the gate, if it is intended.
    Change {
        /// The cases that were slower or larger than at the base revision. There the baseline alone does not decide: each
        /// is accepted, with a reason.
        accepted: Vec<&'a str>,
        /// Whether other figures fail too, which an update records.
        updates: bool,
    },
    /// The first figures of this machine.
    Machine,
    /// The first figures of some cases.
    NewCases,
    /// Better figures.
    Improvement,
}

/// What to do, most important first; empty where there is nothing to do.
pub(super) fn steps(report: &Report) -> Vec<Step<'_>> {
    let comparison = &report.comparison;
    let program = &report.program;
    let flags = &report.flags;
    let mut steps = Vec::new();
    if comparison.fails() {
        steps.push(Step::Do(format!("Investigate what changed{}.", since(report))));
        steps.extend(change(report).map(Step::Record));
    }
    if let Some(case) = with_verdict(comparison, Verdict::Failed).next() {
        steps.push(Step::Do(format!(
            "See the reasons of the failed cases; `{program} doctor` checks the machine, `{program} run --filter {}{flags} --verbose` runs one alone.",
            case.name
        )));
    }
    steps.extend(more_memory(report).map(Step::Do));
    if comparison.unfit().next().is_some() {
        steps.push(Step::Do(format!(
            "Let the machine come to rest and measure again; `{program} doctor` looks for what disturbs it."
        )));
    } else if has(report, Verdict::Inconclusive) {
        steps.extend(more_launches(report).map(Step::Do));
    }
    steps.extend(gain(report).map(Step::Record));
    if has(report, Verdict::Missing) {
        steps.push(Step::Do(format!(
            "Put the missing cases back into config.toml, or delete their entries from {}.",
            baseline_file(report)
        )));
    }
    steps
}

impl Step<'_> {
    /// As a sentence.
    pub fn words(&self, report: &Report) -> String {
        match self {
            Self::Do(words) => words.clone(),
            Self::Record(recording) => recording.words(report),
        }
    }
}

impl Recording<'_> {
    /// What it is for.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::Change { .. } => "If the change is intended, accept it",
            Self::Machine => "Record the first baseline of this machine",
            Self::NewCases => "Record the new cases",
            Self::Improvement => "Keep the improvement",
        }
    }

    /// Whether it is about something that fails the gate.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Change { .. })
    }

    /// The files that it changes.
    pub fn files(&self, report: &Report) -> String {
        let memory = match report.baseline_file.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{MODEL_MEMORY}"),
            None => MODEL_MEMORY.to_owned(),
        };
        match self {
            Self::Change { .. } if fails_on(report, Metric::ModelBytes) => {
                format!("{memory} and {}", report.baseline_file)
            }
            _ => report.baseline_file.clone(),
        }
    }

    fn words(&self, report: &Report) -> String {
        let Report { program, flags, results_file, .. } = report;
        let update = format!("`{program} baseline update --from {results_file}{flags}`");
        let files = self.files(report);
        match self {
            Self::Change { accepted, .. } => match accepted[..] {
                [] => format!("If the change is intended, record it with {update} and commit {files}."),
                [case, ..] => format!(
                    "If the change is intended, accept it{} with `{program} baseline accept {case} --reason TEXT --from {results_file}{flags}` and commit {files}.",
                    if accepted.len() > 1 { ", case by case," } else { "" }
                ),
            },
            Self::Machine => format!("Record a baseline of this machine with {update} and commit {files}."),
            Self::NewCases => format!("Record the new cases with {update} and commit {files}."),
            Self::Improvement => format!("Keep the improvement: {update}, then commit {files}."),
        }
    }
}

/// What fails, where it can be recorded: a wrong output cannot, and neither can a run with a hole in it.
fn change(report: &Report) -> Option<Recording<'_>> {
    let comparison = &report.comparison;
    if report.is_comparison || comparison.has_failures() || report.record.interrupted {
        return None;
    }
    let recordable = || comparison.failing().filter(|(_, finding)| finding.metric != Metric::Output);
    let beside_base = recordable().filter(|(case, finding)| is_beside_base(report, case, finding));
    let mut accepted: Vec<&str> = beside_base.map(|(case, _)| case.name.as_str()).collect();
    accepted.dedup();
    let updates = recordable().any(|(case, _)| !accepted.contains(&case.name.as_str()));
    (updates || !accepted.is_empty()).then_some(Recording::Change { accepted, updates })
}

/// Whether the base revision was the measure of `finding`.
fn is_beside_base(report: &Report, case: &Compared, finding: &Finding) -> bool {
    match finding.metric {
        Metric::StepTime => true,
        Metric::PeakBytes => {
            let record = report.record.case(&case.name);
            record.is_some_and(|record| !record.base_launches.is_empty())
        }
        Metric::Speedup | Metric::ModelBytes | Metric::Output => false,
    }
}

/// How skipped cases get measured, where they are due.
fn more_memory(report: &Report) -> Option<String> {
    let is_due = with_verdict(&report.comparison, Verdict::Skipped).any(Compared::is_gap);
    let otherwise = match is_due && !report.is_comparison {
        true => format!(
            "; if this machine is to skip them from now on, delete their entries from {}",
            baseline_file(report)
        ),
        false => String::new(),
    };
    (is_due || report.comparison.is_all_skipped()).then(|| {
        format!(
            "Free memory and measure the skipped cases again, or give them another quantization or machine{otherwise}."
        )
    })
}

/// The baseline that was the measure, else the one that an update writes.
fn baseline_file(report: &Report) -> &str {
    report.baseline.as_ref().map_or(&report.baseline_file, |source| &source.file)
}

/// What is there to record where nothing is wrong.
fn gain(report: &Report) -> Option<Recording<'static>> {
    let comparison = &report.comparison;
    if comparison.fails() || comparison.has_failures() || comparison.is_all_skipped() || report.is_comparison {
        return None;
    }
    if !comparison.has_machine_baseline && comparison.unfit().next().is_none() {
        return Some(Recording::Machine);
    }
    let gains = [(Verdict::New, Recording::NewCases), (Verdict::Improved, Recording::Improvement)];
    gains.into_iter().find(|(verdict, _)| has(report, *verdict)).map(|(_, gain)| gain)
}

/// How inconclusive cases get settled; `None` where no figure of theirs is there to be settled.
fn more_launches(report: &Report) -> Option<String> {
    let Report { program, flags, .. } = report;
    let is_open = |finding: &Finding| finding.verdict == Verdict::Inconclusive && finding.now.is_some();
    let open = report.comparison.findings().filter(|(_, finding)| is_open(finding));
    let settling = open.map(|(_, finding)| finding.settling_launches).max()?;
    Some(match settling {
        Some(launches) => format!(
            "Measure the inconclusive cases again with more launches, as in `{program} check --launches {launches}{flags}`."
        ),
        None => format!(
            "Launches alone will not settle the inconclusive cases: `{program} calibrate` tells what this machine can tell apart."
        ),
    })
}

/// The revision that a failing step time was measured beside, else the last recorded commit: where a search for the cause
/// begins.
fn since(report: &Report) -> String {
    if let Some(base) = report.record.base.as_ref().filter(|_| fails_on(report, Metric::StepTime)) {
        return format!(" since {}", base.commit.as_deref().map_or(base.name.as_str(), short));
    }
    let commit = report.baseline.as_ref().and_then(|source| source.last_commit.as_ref());
    commit.map_or_else(String::new, |commit| format!(" since the baseline's commit {}", short(commit)))
}

fn fails_on(report: &Report, metric: Metric) -> bool {
    report.comparison.failing().any(|(_, finding)| finding.metric == metric)
}

/// Whether any case as a whole has this verdict.
fn has(report: &Report, verdict: Verdict) -> bool {
    with_verdict(&report.comparison, verdict).next().is_some()
}
