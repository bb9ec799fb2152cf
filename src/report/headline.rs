//! The verdict in one sentence, and what was found: the first thing every report says.
//!
//! The words are plain text; each rendering escapes or colours them. Commands are in backticks.

use serde::Serialize;

use super::Report;
use crate::gate::{self, Compared, Comparison, Finding, Metric, Verdict};
use crate::text::format;

/// How a run stands, gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "&'static str")]
pub enum Standing {
    /// Nothing fails the gate: exit code 0.
    Passed,
    /// A case failed or was skipped that should not have been, or the machine was unfit: exit code 3.
    NotMeasured,
    /// A figure fails the gate: exit code 1, whether or not another case could not be measured. So does what was demanded
    /// and is not there.
    Failed,
}

impl Standing {
    /// How `report` stands.
    pub fn of(report: &Report) -> Self {
        match &report.comparison {
            comparison if comparison.fails() => Self::Failed,
            comparison if report.demands.baseline && !comparison.has_machine_baseline => Self::Failed,
            comparison if comparison.has_gaps() || comparison.unfit().next().is_some() => Self::NotMeasured,
            comparison if report.demands.conclusions && comparison.has(Verdict::Inconclusive) => Self::Failed,
            _ => Self::Passed,
        }
    }

    /// For programs: in the JSON report, and as a step's output.
    pub fn key(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotMeasured => "not_measured",
            Self::Failed => "failed",
        }
    }

    /// In two or three words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "Gate passed",
            Self::NotMeasured => "Measurement failed",
            Self::Failed => "Gate failed",
        }
    }
}

impl From<Standing> for &'static str {
    fn from(standing: Standing) -> Self {
        standing.key()
    }
}

/// What is behind the standing, without its name: `1 of 8 cases …`.
pub(super) fn reason(report: &Report) -> String {
    let comparison = &report.comparison;
    let failing = comparison.failing().count();
    let measured = comparison.cases.iter().filter(|case| case.case.is_some()).count();
    let unmeasured = with_verdict(comparison, Verdict::Failed).count();
    let mut parts = Vec::new();
    if failing > 0 {
        let cases = comparison.cases.iter().filter(|case| case.findings.iter().any(|finding| finding.fails)).count();
        parts.push(format!(
            "{} outside {} tolerance, in {cases} of {}",
            format::count(failing, "figure"),
            if failing == 1 { "its" } else { "their" },
            format::count(measured, "case")
        ));
    }
    if unmeasured > 0 {
        parts.push(format!("{unmeasured} of {} could not be measured", format::count(measured, "case")));
    }
    parts.extend(skipped_in_vain(comparison, measured));
    parts.extend(comparison.unfit().map(str::to_owned));
    if parts.is_empty() {
        parts.push(tally(comparison));
        if report.standing() == Standing::Failed && comparison.has(Verdict::Inconclusive) {
            parts.push("--strict asks for a conclusion on every case".to_owned());
        }
    }
    parts.extend(without_baseline(report).map(str::to_owned));
    if report.record.interrupted {
        parts.push("the run was interrupted before its last launch".to_owned());
    }
    parts.extend(report.record.ended_early.iter().map(|reason| format!("the run ended early: {reason}")));
    parts.join("; ")
}

/// How many of `all` cases were skipped, where that leaves a gap.
fn skipped_in_vain(comparison: &Comparison, all: usize) -> Option<String> {
    let skipped = with_verdict(comparison, Verdict::Skipped).count();
    let due = with_verdict(comparison, Verdict::Skipped).filter(|case| case.is_gap()).count();
    let why = match due {
        _ if comparison.is_all_skipped() => "so nothing was measured".to_owned(),
        0 => return None,
        1 if skipped == 1 => "though the baseline has it".to_owned(),
        due if due == skipped => "though the baseline has them".to_owned(),
        due => format!("though the baseline has {due} of them"),
    };
    Some(format!("{skipped} of {} skipped for want of memory, {why}", format::count(all, "case")))
}

/// What it means that this machine has no baseline, where it has none.
fn without_baseline(report: &Report) -> Option<&'static str> {
    if report.comparison.has_machine_baseline {
        return None;
    }
    match (report.demands.baseline, &report.record.base) {
        (true, _) => Some("this machine has no baseline, and --require-baseline asks for one"),
        (false, _) if report.comparison.is_all_skipped() => None,
        (false, Some(_)) => Some("this machine has no baseline, so the base revision alone was the measure"),
        (false, None) => Some("this machine has no baseline, so only model bytes and outputs could be judged"),
    }
}

/// Something that deserves a look.
pub(super) struct Notable<'a> {
    /// The cases it is about: several, where the same words are true of each.
    pub cases: Vec<&'a Compared>,
    /// The judgement of the figure or the case.
    pub verdict: Verdict,
    /// Whether the gate fails on it.
    pub fails: bool,
    /// What was found.
    pub words: String,
}

/// What deserves a look, gravest first.
pub(super) fn notable(comparison: &Comparison) -> Vec<Notable<'_>> {
    let found = |wanted: fn(&Finding) -> bool| {
        comparison
            .findings()
            .filter(move |(_, finding)| wanted(finding))
            .map(|(case, finding)| (case, finding.verdict, finding.fails, finding.message.clone()))
    };
    let failed = with_verdict(comparison, Verdict::Failed).map(|case| (case, Verdict::Failed, false, failure(case)));
    let skipped = |is_gap: bool| {
        let cases = with_verdict(comparison, Verdict::Skipped).filter(move |case| case.is_gap() == is_gap);
        cases.map(|case| (case, Verdict::Skipped, false, skipped(case)))
    };
    let missing = with_verdict(comparison, Verdict::Missing).map(|case| {
        (case, Verdict::Missing, false, "the baseline has it, the configuration no longer does".to_owned())
    });
    let all = found(|finding| finding.fails && finding.verdict == Verdict::Regressed)
        .chain(found(|finding| finding.fails && finding.verdict != Verdict::Regressed))
        .chain(failed)
        .chain(skipped(true))
        .chain(
            found(|finding| finding.verdict == Verdict::Inconclusive).filter(|(case, ..)| !is_unfit(comparison, case)),
        )
        .chain(found(|finding| !finding.fails && matches!(finding.verdict, Verdict::Regressed | Verdict::Improved)))
        .chain(found(|finding| finding.is_drift && finding.verdict == Verdict::Unchanged))
        .chain(missing)
        .chain(skipped(false));
    let mut notable: Vec<Notable> = Vec::new();
    for (case, verdict, fails, words) in all {
        let same = |other: &&mut Notable| (other.verdict, other.fails, &other.words) == (verdict, fails, &words);
        match notable.iter_mut().find(same) {
            Some(same) => same.cases.push(case),
            None => notable.push(Notable { cases: vec![case], verdict, fails, words }),
        }
    }
    notable
}

/// Whether the machine was unfit to judge this case's speed, which the verdict tells once for all of them.
fn is_unfit(comparison: &Comparison, case: &Compared) -> bool {
    case.case.as_ref().is_some_and(|case| gate::is_unfit(&comparison.controls, &case.workload.name))
}

/// A failed case's reason.
pub(super) fn failure(case: &Compared) -> String {
    case.failure.as_ref().map_or_else(String::new, |failure| failure.reason.clone())
}

/// Why a case was skipped, and what that means.
fn skipped(case: &Compared) -> String {
    let shortage = case.skipped.map_or_else(String::new, |skipped| skipped.to_string());
    match case.is_gap() {
        true => format!("{shortage}; the baseline has its figures, so it counts as not measured"),
        false => format!("{shortage}; no baseline asks for it"),
    }
}

/// Why a case has no figures, in a table's or a list's entry: `failed: …`, `skipped: needs 71 GiB, has 36 GiB`.
pub(super) fn unmeasured(case: &Compared) -> String {
    match &case.skipped {
        Some(skipped) => format!("{}: {skipped}", case.verdict),
        None => format!("{}: {}", case.verdict, failure(case)),
    }
}

/// The metric in a table's cell, as the columns are headed.
pub(super) fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::StepTime => "step time",
        Metric::Output => "output",
        Metric::Speedup => "speedup",
        Metric::ModelBytes => "model mem",
        Metric::PeakBytes => "peak mem",
    }
}

/// The cases with this verdict.
pub(super) fn with_verdict(comparison: &Comparison, verdict: Verdict) -> impl Iterator<Item = &Compared> {
    comparison.cases.iter().filter(move |case| case.verdict == verdict)
}

/// `8 cases (6 unchanged, 1 improved, 1 new)`.
pub(super) fn tally(comparison: &Comparison) -> String {
    let verdicts = [
        Verdict::Unchanged,
        Verdict::Improved,
        Verdict::Regressed,
        Verdict::Inconclusive,
        Verdict::New,
        Verdict::Missing,
        Verdict::Skipped,
        Verdict::Failed,
    ];
    let counts = verdicts.map(|verdict| (with_verdict(comparison, verdict).count(), verdict));
    let words: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}")).collect();
    match words.is_empty() {
        true => "no cases".to_owned(),
        false => format!("{} ({})", format::count(comparison.cases.len(), "case"), words.join(", ")),
    }
}
