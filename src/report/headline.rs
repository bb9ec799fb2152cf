//! The verdict in one sentence, what was found, and what to do next: the first thing every report says.
//!
//! The words are plain text; each rendering escapes or colours them. Commands are in backticks.

use serde::Serialize;

use super::{Report, short};
use crate::baseline::MODEL_MEMORY;
use crate::format;
use crate::gate::{self, Compared, Comparison, Finding, Metric, Verdict};

/// How a run stands, gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing fails the gate: exit code 0.
    Passed,
    /// A case could not be measured, or the machine was unfit: exit code 3.
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
            comparison if comparison.has_failures() || comparison.unfit().next().is_some() => Self::NotMeasured,
            comparison if report.demands.conclusions && comparison.has(Verdict::Inconclusive) => Self::Failed,
            _ => Self::Passed,
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
    parts.extend(comparison.unfit().map(str::to_owned));
    if parts.is_empty() {
        parts.push(tally(comparison));
        if report.standing() == Standing::Failed && comparison.has(Verdict::Inconclusive) {
            parts.push("--strict asks for a conclusion on every case".to_owned());
        }
    }
    if !comparison.has_machine_baseline {
        parts.push(match (report.demands.baseline, &report.record.base) {
            (true, _) => "this machine has no baseline, and --require-baseline asks for one".to_owned(),
            (false, Some(_)) => "this machine has no baseline, so the base revision alone was the measure".to_owned(),
            (false, None) => "this machine has no baseline, so only model bytes and outputs could be judged".to_owned(),
        });
    }
    if report.record.interrupted {
        parts.push("the run was interrupted before its last launch".to_owned());
    }
    parts.extend(report.record.ended_early.iter().map(|reason| format!("the run ended early: {reason}")));
    parts.join("; ")
}

/// Something that deserves a look.
pub(super) struct Notable<'a> {
    /// The cases it is about: several, where the same words are true of each.
    pub cases: Vec<&'a Compared>,
    /// The judgement of the figure or the case.
    pub verdict: Verdict,
    /// What was found.
    pub words: String,
}

/// What deserves a look, gravest first.
pub(super) fn notable(comparison: &Comparison) -> Vec<Notable<'_>> {
    let found = |wanted: fn(&Finding) -> bool| {
        comparison
            .findings()
            .filter(move |(_, finding)| wanted(finding))
            .map(|(case, finding)| (case, finding.verdict, finding.message.clone()))
    };
    let failed = with_verdict(comparison, Verdict::Failed).map(|case| (case, Verdict::Failed, failure(case)));
    let missing = with_verdict(comparison, Verdict::Missing)
        .map(|case| (case, Verdict::Missing, "the baseline has it, the configuration no longer does".to_owned()));
    let all = found(|finding| finding.fails && finding.verdict == Verdict::Regressed)
        .chain(found(|finding| finding.fails && finding.verdict != Verdict::Regressed))
        .chain(failed)
        .chain(
            found(|finding| finding.verdict == Verdict::Inconclusive).filter(|(case, ..)| !is_unfit(comparison, case)),
        )
        .chain(found(|finding| !finding.fails && matches!(finding.verdict, Verdict::Regressed | Verdict::Improved)))
        .chain(found(|finding| finding.is_drift && finding.verdict == Verdict::Unchanged))
        .chain(missing);
    let mut notable: Vec<Notable> = Vec::new();
    for (case, verdict, words) in all {
        match notable.iter_mut().find(|other| other.verdict == verdict && other.words == words) {
            Some(same) => same.cases.push(case),
            None => notable.push(Notable { cases: vec![case], verdict, words }),
        }
    }
    notable
}

/// Whether the machine was unfit to judge this case's speed, which the verdict tells once for all of them.
fn is_unfit(comparison: &Comparison, case: &Compared) -> bool {
    case.case.as_ref().is_some_and(|case| gate::is_unfit(&comparison.controls, &case.workload.name))
}

/// What to do about it, one step per line; empty where there is nothing to do.
pub(super) fn next_steps(report: &Report) -> Vec<String> {
    let comparison = &report.comparison;
    let has = |verdict| comparison.cases.iter().any(|case| case.verdict == verdict);
    let program = &report.program;
    let flags = &report.flags;
    let update = format!("`{program} baseline update --from {}{flags}`", report.results_file);
    let mut steps = Vec::new();
    if comparison.fails() {
        steps.push(format!("Investigate what changed{}.", since(report)));
        if !report.is_comparison {
            steps.push(format!("If the change is intended, {}.", acceptance(report, &update)));
        }
    }
    if let Some(case) = with_verdict(comparison, Verdict::Failed).next() {
        steps.push(format!(
            "See the reasons of the failed cases; `{program} doctor` checks the machine, `{program} run --filter {}{flags} --verbose` runs one alone.",
            case.name
        ));
    }
    if comparison.unfit().next().is_some() {
        steps.push(format!(
            "Let the machine come to rest and measure again; `{program} doctor` looks for what disturbs it."
        ));
    } else if has(Verdict::Inconclusive) {
        steps.push(more_launches(report));
    }
    if !comparison.fails() && !comparison.has_failures() && !report.is_comparison {
        let is_evidence = comparison.unfit().next().is_none();
        if !comparison.has_machine_baseline && is_evidence {
            steps.push(format!("Record a baseline of this machine with {update} and commit {}.", report.baseline_file));
        } else if has(Verdict::New) {
            steps.push(format!("Record the new cases with {update} and commit {}.", report.baseline_file));
        } else if has(Verdict::Improved) {
            steps.push(format!("Keep the improvement: {update}, then commit {}.", report.baseline_file));
        }
    }
    if has(Verdict::Missing) {
        let file = report.baseline.as_ref().map_or(&report.baseline_file, |source| &source.file);
        steps.push(format!("Put the missing cases back into config.toml, or delete their entries from {file}."));
    }
    steps
}

/// How an intended change passes. Beside a base revision the baseline alone does not decide: a regression is accepted.
fn acceptance(report: &Report, update: &str) -> String {
    let files = changed_files(report);
    let step_times = report.comparison.failing().filter(|(_, finding)| finding.metric == Metric::StepTime);
    let cases: Vec<&str> = step_times.map(|(case, _)| case.name.as_str()).collect();
    let Report { program, flags, results_file, .. } = report;
    match cases[..] {
        [] => format!("record it with {update} and commit {files}"),
        [case, ..] => format!(
            "accept it{} with `{program} baseline accept {case} --reason TEXT --from {results_file}{flags}` and commit {files}",
            if cases.len() > 1 { ", case by case," } else { "" }
        ),
    }
}

/// How inconclusive cases get settled, where launches can do it.
fn more_launches(report: &Report) -> String {
    let Report { program, flags, .. } = report;
    let open = report.comparison.findings().filter(|(_, finding)| finding.verdict == Verdict::Inconclusive);
    match open.filter_map(|(_, finding)| finding.settling_launches).max() {
        Some(launches) => format!(
            "Measure the inconclusive cases again with more launches, as in `{program} check --launches {launches}{flags}`."
        ),
        None => format!(
            "Launches alone will not settle the inconclusive cases: `{program} calibrate` tells what this machine can tell apart."
        ),
    }
}

/// A failed case's reason.
pub(super) fn failure(case: &Compared) -> String {
    case.failure.as_ref().map_or_else(String::new, |failure| failure.reason.clone())
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

fn with_verdict(comparison: &Comparison, verdict: Verdict) -> impl Iterator<Item = &Compared> {
    comparison.cases.iter().filter(move |case| case.verdict == verdict)
}

/// `8 cases (6 unchanged, 1 improved, 1 new)`.
fn tally(comparison: &Comparison) -> String {
    let verdicts = [
        Verdict::Unchanged,
        Verdict::Improved,
        Verdict::Regressed,
        Verdict::Inconclusive,
        Verdict::New,
        Verdict::Missing,
    ];
    let counts = verdicts.map(|verdict| (with_verdict(comparison, verdict).count(), verdict));
    let words: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, verdict)| format!("{count} {verdict}")).collect();
    match words.is_empty() {
        true => "no cases".to_owned(),
        false => format!("{} ({})", format::count(comparison.cases.len(), "case"), words.join(", ")),
    }
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

/// The files that recording the failing figures would change.
fn changed_files(report: &Report) -> String {
    let memory = match report.baseline_file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{MODEL_MEMORY}"),
        None => MODEL_MEMORY.to_owned(),
    };
    match fails_on(report, Metric::ModelBytes) {
        true => format!("{memory} and {}", report.baseline_file),
        false => report.baseline_file.clone(),
    }
}

fn fails_on(report: &Report, metric: Metric) -> bool {
    report.comparison.failing().any(|(_, finding)| finding.metric == metric)
}
