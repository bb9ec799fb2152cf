//! From a record and its baselines to verdicts. Pure: no clock, no files.
//!
//! `speed` decides what got slower, over all cases and looks at once; `memory`, `output` and `control` judge the rest.

mod control;
pub mod loosening;
mod memory;
mod output;
mod recording;
pub mod speed;
mod tracks;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

pub use control::{Control, is_unfit};

use crate::config::{Case, Thresholds};
use crate::evidence::figures::{Figures, figures, peak};
use crate::store::baseline::{Acceptance, Baseline, BaselineCase, ModelMemory};
use crate::store::record::{CaseRecord, Failure, RunRecord, Skipped};
use speed::Answer;

/// The judgement of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Every case of the run, then the missing ones.
    pub cases: Vec<Compared>,
    /// Whether a baseline of this machine was there.
    pub has_machine_baseline: bool,
    /// What the machine alone makes of two like arms, by workload.
    pub controls: Vec<Control>,
}

/// The judgement of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The case's name.
    pub name: String,
    /// What was measured; `None` for a missing case.
    pub case: Option<Case>,
    /// Its figures; `None` where it failed, was skipped or is missing.
    pub now: Option<Figures>,
    /// What the baseline holds for it.
    pub baseline: Option<BaselineCase>,
    /// One judgement per gated figure.
    pub findings: Vec<Finding>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Why it was not launched, if it was skipped.
    pub skipped: Option<Skipped>,
    /// The gravest of the findings.
    pub verdict: Verdict,
}

/// The judgement of one figure of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which figure.
    pub metric: Metric,
    /// The value before, if there is one.
    pub baseline: Option<f64>,
    /// Today's value; `None` where it could not be had, as a speedup whose reference failed.
    pub now: Option<f64>,
    /// Relative change, 0.05 for +5%; `None` without a value before.
    pub change: Option<f64>,
    /// The change's interval at 95%, where it is a speed.
    pub interval: Option<(f64, f64)>,
    /// The smallest slowing that this run would have found with a probability of 80%, as a share: 0.027 for 2.7%.
    pub detectable: Option<f64>,
    /// Launches that would settle an inconclusive speed.
    pub settling_launches: Option<usize>,
    /// Whether a figure is beyond its tolerance though this change did not move it: told, and no failure.
    pub is_drift: bool,
    /// The judgement.
    pub verdict: Verdict,
    /// Whether the gate fails on it: a regression, or an exact figure that differs in whichever direction.
    pub fails: bool,
    /// The judgement in words, for a stranger.
    pub message: String,
}

/// What is gated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The case's own step time against the base revision's in the same blocks; smaller is better.
    StepTime,
    /// Reference's step time over the case's; larger is better.
    Speedup,
    /// Bytes of the weights; exact.
    ModelBytes,
    /// Peak of the process; smaller is better.
    PeakBytes,
    /// Relative error against the reference's output.
    Output,
}

/// A judgement, from harmless to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Inside the tolerance, with evidence.
    Unchanged,
    /// Better than before by more than the tolerance.
    Improved,
    /// There is no baseline for it.
    New,
    /// The baseline has it, the configuration no longer does.
    Missing,
    /// The machine has too little memory for it: nothing was launched.
    Skipped,
    /// The launches cannot tell: chance could explain the change, or hide one, or the reference is missing.
    Inconclusive,
    /// Worse than before by more than the tolerance, and more than chance explains.
    Regressed,
    /// It could not be measured.
    Failed,
}

/// Judges `record`.
///
/// `known` holds the names of all cases that the configuration defines, so that a case left out by a filter or by the
/// choice of suite does not count as missing.
pub fn compare(
    record: &RunRecord,
    baseline: Option<&Baseline>,
    memory: &ModelMemory,
    known: &BTreeSet<String>,
    gate: &Thresholds,
) -> Comparison {
    let controls = control::controls(record, gate);
    let mut speeds = tracks::judge(record, baseline, &controls, gate);
    let figures = figures(record);
    let mut cases: Vec<Compared> = record
        .cases
        .iter()
        .map(|case| {
            let stored = stored(baseline, &case.case);
            let speeds = speeds.remove(&case.case.name).unwrap_or_default();
            judge(record, case, figures.get(&case.case.name), stored, speeds, memory, gate)
        })
        .collect();
    cases.extend(baseline.into_iter().flat_map(|baseline| missing(baseline, known)));
    Comparison { cases, has_machine_baseline: baseline.is_some(), controls }
}

/// The workloads of a run on its way that need no further launches: it stands at a look, and every question about them
/// is decided. A workload of which nothing is asked yet goes on to the last launch, for a baseline.
pub fn settled(record: &RunRecord, baseline: Option<&Baseline>, gate: &Thresholds) -> BTreeSet<String> {
    tracks::settled(record, baseline, gate)
}

impl Comparison {
    /// Whether any figure fails the gate.
    pub fn fails(&self) -> bool {
        self.failing().next().is_some()
    }

    /// The findings that fail the gate, with their case.
    pub fn failing(&self) -> impl Iterator<Item = (&Compared, &Finding)> {
        self.findings().filter(|(_, finding)| finding.fails)
    }

    /// All findings, with their case.
    pub fn findings(&self) -> impl Iterator<Item = (&Compared, &Finding)> {
        self.cases.iter().flat_map(|case| case.findings.iter().map(move |finding| (case, finding)))
    }

    /// Whether any case failed.
    pub fn has_failures(&self) -> bool {
        self.has(Verdict::Failed)
    }

    /// Whether figures are due and not there: exit code 3. A case that this machine never had memory for is no gap,
    /// but a run that has no other is.
    pub fn has_gaps(&self) -> bool {
        self.cases.iter().any(Compared::is_gap) || self.is_all_skipped()
    }

    /// Whether every case of the run was skipped.
    pub fn is_all_skipped(&self) -> bool {
        let is_skipped = |case: &Compared| matches!(case.verdict, Verdict::Skipped | Verdict::Missing);
        self.has(Verdict::Skipped) && self.cases.iter().all(is_skipped)
    }

    /// Whether any case has this verdict, or any of its figures.
    pub fn has(&self, verdict: Verdict) -> bool {
        self.cases.iter().any(|case| case.verdict == verdict)
            || self.findings().any(|(_, finding)| finding.verdict == verdict)
    }

    /// Why times cannot be judged, for each workload on which the machine was unfit.
    pub fn unfit(&self) -> impl Iterator<Item = &str> {
        self.controls.iter().filter_map(|control| control.unfit.as_deref())
    }
}

impl Compared {
    /// Whether figures are due and not there: the case failed, or it was skipped and this machine's baseline has it.
    pub fn is_gap(&self) -> bool {
        match self.verdict {
            Verdict::Failed => true,
            Verdict::Skipped => self.baseline.is_some(),
            _ => false,
        }
    }

    /// The finding about `metric`.
    pub fn finding(&self, metric: Metric) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.metric == metric)
    }
}

impl Finding {
    /// A finding without a change, which does not fail.
    fn new(metric: Metric, baseline: Option<f64>, now: Option<f64>, verdict: Verdict, message: String) -> Self {
        Self {
            metric,
            baseline,
            now,
            change: None,
            interval: None,
            detectable: None,
            settling_launches: None,
            is_drift: false,
            verdict,
            fails: false,
            message,
        }
    }

    /// What this change's baseline acknowledges does not fail against the base revision: a step time up to what was
    /// accepted, within the tolerance. Against the baseline all is judged as ever.
    fn accept(&mut self, acceptance: &Acceptance, gate: &Thresholds) {
        let allowed =
            acceptance.change.map(|change| (1.0 + change) * (1.0 + gate.base_tolerance_percent / 100.0) - 1.0);
        let is_within = self.change <= allowed;
        if self.fails && self.metric == Metric::StepTime && is_within {
            self.fails = false;
            self.message.push_str("; accepted in this change's baseline");
        }
    }

    /// What a run could have seen and would need, from `answer`.
    fn with_reach(self, answer: &Answer) -> Self {
        let detectable = answer.detectable.map(f64::exp_m1);
        Self { detectable, settling_launches: answer.settling_launches, ..self }
    }
}

impl Verdict {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Improved => "improved",
            Self::New => "new",
            Self::Missing => "missing",
            Self::Skipped => "skipped",
            Self::Inconclusive => "inconclusive",
            Self::Regressed => "regressed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the baseline holds of this case, in this shape.
fn stored<'a>(baseline: Option<&'a Baseline>, case: &Case) -> Option<&'a BaselineCase> {
    baseline?.cases.get(&case.name).filter(|stored| stored.is_of(case))
}

fn judge(
    record: &RunRecord,
    case: &CaseRecord,
    now: Option<&Figures>,
    stored: Option<&BaselineCase>,
    speeds: Vec<Finding>,
    memory: &ModelMemory,
    gate: &Thresholds,
) -> Compared {
    let mut findings = Vec::new();
    if let Some(now) = now {
        findings.extend(speeds);
        findings.push(memory::judge_model_bytes(now, memory.models.get(&case.case.memory_key()).copied()));
        let acceptance = stored.and_then(|stored| stored.accepted.as_ref());
        let base_peak = peak(&case.base_launches).map(|peak| (peak.median, "the base revision's"));
        // A growth that is accepted is in the baseline, and not at the base revision.
        let base_peak = base_peak.filter(|_| acceptance.is_none());
        let stored_peak = stored.and_then(|stored| stored.process_peak_bytes).map(|peak| (peak, "the baseline's"));
        let peak = peak(&case.launches);
        findings.extend(peak.map(|peak| memory::judge_peak(&peak, base_peak.or(stored_peak), gate)));
        findings.extend(output::judge_output(case, record.device, gate));
        let is_of_this_change = record.base.as_ref().is_some_and(|base| base.accepted.contains(&case.case.name));
        if let Some(acceptance) = acceptance.filter(|_| is_of_this_change) {
            findings.iter_mut().for_each(|finding| finding.accept(acceptance, gate));
        }
    }
    let verdict = match (now, case.skipped) {
        (Some(_), _) => case_verdict(&findings, stored.is_some() || !case.base_launches.is_empty()),
        (None, Some(_)) => Verdict::Skipped,
        (None, None) => Verdict::Failed,
    };
    let is_failed = verdict == Verdict::Failed;
    Compared {
        name: case.case.name.clone(),
        case: Some(case.case.clone()),
        now: now.cloned(),
        baseline: stored.cloned(),
        findings,
        failure: is_failed.then(|| case.failure().cloned().unwrap_or_else(not_launched)),
        skipped: case.skipped,
        verdict,
    }
}

fn not_launched() -> Failure {
    Failure { reason: "the run ended before its first launch".to_owned(), stderr_tail: Vec::new() }
}

/// The gravest finding; a figure without baseline does not hide what another says. A case that this machine has nothing
/// to compare with stays new even where its model's bytes are as recorded.
fn case_verdict(findings: &[Finding], has_baseline: bool) -> Verdict {
    let judged = findings.iter().map(|finding| finding.verdict).filter(|verdict| *verdict != Verdict::New);
    judged.max().filter(|verdict| *verdict != Verdict::Unchanged || has_baseline).unwrap_or(Verdict::New)
}

fn direction(change: f64) -> &'static str {
    match change {
        // What is printed as 0.0% is no direction.
        change if change < -0.000_5 => "fell from",
        change if change > 0.000_5 => "rose from",
        _ => "went from",
    }
}

fn new_finding(metric: Metric, now: f64, why: &str) -> Finding {
    Finding::new(metric, None, Some(now), Verdict::New, why.to_owned())
}

fn missing<'a>(baseline: &'a Baseline, known: &'a BTreeSet<String>) -> impl Iterator<Item = Compared> + 'a {
    baseline.cases.iter().filter(|(name, _)| !known.contains(*name)).map(|(name, stored)| Compared {
        name: name.clone(),
        case: None,
        now: None,
        baseline: Some(stored.clone()),
        findings: Vec::new(),
        failure: None,
        skipped: None,
        verdict: Verdict::Missing,
    })
}
