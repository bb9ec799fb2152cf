//! From a record and its baselines to verdicts. Pure: no clock, no files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::baseline::{Baseline, BaselineCase, ModelMemory};
use crate::figures::{Figures, figures};
use crate::format;
use crate::matrix::Case;
use crate::record::{CaseRecord, Failure, RunRecord};
use crate::stats::Estimate;

/// How much a figure may worsen: the `[gate]` table of config.toml.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Fall of the speedup against the baseline, in percent.
    pub speedup_tolerance_percent: f64,
    /// Growth of a peak, in percent of the baseline …
    pub peak_tolerance_percent: f64,
    /// … plus this many MiB.
    pub peak_tolerance_mib: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { speedup_tolerance_percent: 5.0, peak_tolerance_percent: 1.0, peak_tolerance_mib: 16.0 }
    }
}

/// The judgement of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Every case of the run, then the missing ones.
    pub cases: Vec<Compared>,
    /// Whether a baseline of this machine was there.
    pub has_machine_baseline: bool,
}

/// The judgement of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The case's name.
    pub name: String,
    /// What was measured; `None` for a missing case.
    pub case: Option<Case>,
    /// Its figures; `None` where it failed or is missing.
    pub now: Option<Figures>,
    /// What the baseline holds for it.
    pub baseline: Option<BaselineCase>,
    /// One judgement per gated figure.
    pub findings: Vec<Finding>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The gravest of the findings.
    pub verdict: Verdict,
}

/// The judgement of one figure of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which figure.
    pub metric: Metric,
    /// The baseline's value, if there is one.
    pub baseline: Option<f64>,
    /// Today's value; `None` where it could not be had, as a speedup whose reference failed.
    pub now: Option<f64>,
    /// Relative change, 0.05 for +5%; `None` without a baseline.
    pub change: Option<f64>,
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
    /// Reference's step time over the case's; larger is better.
    Speedup,
    /// Bytes of the weights; exact.
    ModelBytes,
    /// Peak of the process; smaller is better.
    PeakBytes,
}

/// A judgement, from harmless to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Inside the tolerance, with evidence.
    Unchanged,
    /// Better than the baseline by more than the tolerance.
    Improved,
    /// There is no baseline for it.
    New,
    /// The baseline has it, the configuration no longer does.
    Missing,
    /// The launches cannot tell: chance could explain the change, or hide one, or the reference is missing.
    Inconclusive,
    /// Worse than the baseline by more than the tolerance, and more than chance explains.
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
    gate: &Gate,
) -> Comparison {
    let figures = figures(record);
    let mut cases: Vec<Compared> = record
        .cases
        .iter()
        .map(|case| {
            let stored = baseline.and_then(|baseline| baseline.cases.get(&case.case.name));
            let stored = stored.filter(|stored| stored.is_of(&case.case));
            let reference = |cases: &BTreeMap<String, Figures>| {
                case.case.reference.as_ref().and_then(|name| cases.get(name)).map(|figures| figures.step_seconds)
            };
            let stored_reference = baseline
                .and_then(|baseline| case.case.reference.as_ref().and_then(|name| baseline.cases.get(name)))
                .and_then(|case| case.step_seconds);
            let attribution = Attribution { now: reference(&figures), baseline: stored_reference };
            judge(case, figures.get(&case.case.name), stored, attribution, memory, gate)
        })
        .collect();
    cases.extend(baseline.into_iter().flat_map(|baseline| missing(baseline, known)));
    Comparison { cases, has_machine_baseline: baseline.is_some() }
}

impl Comparison {
    /// Whether any figure fails the gate.
    pub fn fails(&self) -> bool {
        self.failing().next().is_some()
    }

    /// The findings that fail the gate, with their case.
    pub fn failing(&self) -> impl Iterator<Item = (&Compared, &Finding)> {
        self.cases
            .iter()
            .flat_map(|case| case.findings.iter().map(move |finding| (case, finding)))
            .filter(|(_, f)| f.fails)
    }

    /// Whether any case could not be measured.
    pub fn has_failures(&self) -> bool {
        self.cases.iter().any(|case| case.verdict == Verdict::Failed)
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

/// Step times of the reference, to tell which side of a speedup moved.
struct Attribution {
    now: Option<f64>,
    baseline: Option<f64>,
}

fn judge(
    record: &CaseRecord,
    now: Option<&Figures>,
    stored: Option<&BaselineCase>,
    attribution: Attribution,
    memory: &ModelMemory,
    gate: &Gate,
) -> Compared {
    let mut findings = Vec::new();
    if let Some(now) = now {
        findings.extend(match now.speedup {
            Some(speedup) => Some(judge_speedup(&speedup, now, stored, &attribution, gate)),
            None => stored.and_then(|stored| stored.speedup).map(lost_speedup),
        });
        findings.push(judge_model_bytes(now, memory.models.get(&record.case.memory_key()).copied()));
        findings.extend(now.process_peak_bytes.map(|peak| judge_peak(peak, now.process_peak_range, stored, gate)));
    }
    let verdict = match now {
        None => Verdict::Failed,
        Some(_) => case_verdict(&findings, stored.is_some()),
    };
    let failure = now.is_none().then(|| record.failure().cloned().unwrap_or_else(not_launched));
    Compared {
        name: record.case.name.clone(),
        case: Some(record.case.clone()),
        now: now.cloned(),
        baseline: stored.cloned(),
        findings,
        failure,
        verdict,
    }
}

fn not_launched() -> Failure {
    Failure { reason: "the run was interrupted before its first launch".to_owned(), stderr_tail: Vec::new() }
}

/// The gravest finding; a figure without baseline does not hide what another says. A case that this machine has no
/// baseline for stays new even where its model's bytes are as recorded.
fn case_verdict(findings: &[Finding], has_baseline: bool) -> Verdict {
    let judged = findings.iter().map(|finding| finding.verdict).filter(|verdict| *verdict != Verdict::New);
    judged.max().filter(|verdict| *verdict != Verdict::Unchanged || has_baseline).unwrap_or(Verdict::New)
}

/// The finding where the baseline has a speedup and this run none.
fn lost_speedup(baseline: f64) -> Finding {
    Finding {
        metric: Metric::Speedup,
        baseline: Some(baseline),
        now: None,
        change: None,
        verdict: Verdict::Inconclusive,
        fails: false,
        message: format!(
            "its speedup, {} in the baseline, cannot be judged: the reference was not measured, or failed",
            format::speedup(baseline)
        ),
    }
}

fn judge_speedup(
    speedup: &Estimate,
    now: &Figures,
    stored: Option<&BaselineCase>,
    attribution: &Attribution,
    gate: &Gate,
) -> Finding {
    let Some(baseline) = stored.and_then(|stored| stored.speedup) else {
        return new_finding(Metric::Speedup, speedup.point, "no baseline speedup");
    };
    let tolerance = gate.speedup_tolerance_percent / 100.0;
    let change = speedup.point / baseline - 1.0;
    let (verdict, doubt) = weigh(speedup, baseline, tolerance);
    let mut message = format!(
        "speedup (the reference's step time over this case's) {} the baseline's {} to {}: {}, {} the tolerance of {}%{}",
        direction(change),
        format::speedup(baseline),
        format::estimate(speedup),
        format::percent(change),
        if change.abs() <= tolerance { "within" } else { "beyond" },
        gate.speedup_tolerance_percent,
        doubt
    );
    if verdict != Verdict::Unchanged {
        message.push_str(&attribution.describe(now.step_seconds, stored.and_then(|stored| stored.step_seconds)));
    }
    Finding {
        metric: Metric::Speedup,
        baseline: Some(baseline),
        now: Some(speedup.point),
        change: Some(change),
        verdict,
        fails: verdict == Verdict::Regressed,
        message,
    }
}

/// The verdict on a speedup, and what keeps it from being clear.
///
/// A change must be relevant (beyond the tolerance) and significant (the interval leaves the baseline out); no change
/// needs evidence as well: an interval that stays above what would fail.
fn weigh(speedup: &Estimate, baseline: f64, tolerance: f64) -> (Verdict, &'static str) {
    let change = speedup.point / baseline - 1.0;
    let Some((low, high)) = speedup.interval else {
        return (Verdict::Inconclusive, ", but one launch cannot tell change from chance");
    };
    match change {
        change if change < -tolerance && high < baseline => (Verdict::Regressed, ""),
        change if change > tolerance && low > baseline => (Verdict::Improved, ""),
        change if change.abs() > tolerance => (Verdict::Inconclusive, ", but no more than chance explains"),
        _ if low < baseline * (1.0 - tolerance) => {
            (Verdict::Inconclusive, ", but its interval reaches beyond: a regression could hide in it")
        }
        _ => (Verdict::Unchanged, ""),
    }
}

fn direction(change: f64) -> &'static str {
    match change {
        change if change < 0.0 => "fell from",
        change if change > 0.0 => "rose from",
        _ => "went from",
    }
}

fn side(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Unchanged { "within" } else { "beyond" }
}

impl Attribution {
    /// Both sides' step times then and now; empty where the baseline holds none.
    fn describe(&self, own_now: f64, own_baseline: Option<f64>) -> String {
        let side = |who: &str, baseline: f64, now: f64| {
            format!(
                "{who} {} → {} ({})",
                format::seconds(baseline),
                format::seconds(now),
                format::percent(now / baseline - 1.0)
            )
        };
        match (own_baseline, self.baseline, self.now) {
            (Some(own), Some(reference), Some(reference_now)) => format!(
                "; step time: {}, {}",
                side("this case", own, own_now),
                side("its reference", reference, reference_now)
            ),
            _ => String::new(),
        }
    }
}

/// Exact, in either direction: an unrecorded saving wants a new baseline too.
fn judge_model_bytes(figures: &Figures, baseline: Option<u64>) -> Finding {
    let now = figures.model_bytes;
    let Some(baseline) = baseline else {
        return new_finding(Metric::ModelBytes, now as f64, "no recorded model bytes");
    };
    let (verdict, message) = match now.cmp(&baseline) {
        _ if !figures.model_bytes_agree => (
            Verdict::Regressed,
            format!(
                "the launches disagree on the model's bytes, which are exact: up to {}, recorded are {}",
                format::exact(now),
                format::exact(baseline)
            ),
        ),
        std::cmp::Ordering::Equal => {
            (Verdict::Unchanged, format!("model weights take {} bytes, as recorded", format::exact(now)))
        }
        std::cmp::Ordering::Greater => (
            Verdict::Regressed,
            format!(
                "model weights take {} bytes, {} more than the recorded {}; the figure is exact, so any difference fails",
                format::exact(now),
                format::exact(now - baseline),
                format::exact(baseline)
            ),
        ),
        std::cmp::Ordering::Less => (
            Verdict::Improved,
            format!(
                "model weights take {} bytes, {} fewer than the recorded {}; the figure is exact, so a saving must be recorded",
                format::exact(now),
                format::exact(baseline - now),
                format::exact(baseline)
            ),
        ),
    };
    Finding {
        metric: Metric::ModelBytes,
        baseline: Some(baseline as f64),
        now: Some(now as f64),
        change: Some(now as f64 / baseline as f64 - 1.0),
        verdict,
        fails: verdict != Verdict::Unchanged,
        message,
    }
}

fn judge_peak(now: u64, range: Option<(u64, u64)>, stored: Option<&BaselineCase>, gate: &Gate) -> Finding {
    let Some(baseline) = stored.and_then(|stored| stored.process_peak_bytes) else {
        return new_finding(Metric::PeakBytes, now as f64, "no baseline peak");
    };
    let allowed = baseline as f64 * gate.peak_tolerance_percent / 100.0 + gate.peak_tolerance_mib * 1024.0 * 1024.0;
    let change = now as f64 - baseline as f64;
    let (low, high) = range.unwrap_or((now, now));
    let beyond = |bytes: u64| (bytes as f64 - baseline as f64).abs() > allowed;
    let verdict = match change {
        change if change.abs() <= allowed => Verdict::Unchanged,
        // Launches that disagree are no proof, unless even the one nearest to the baseline is beyond the tolerance.
        change if change > 0.0 && low > baseline && beyond(low) => Verdict::Regressed,
        change if change < 0.0 && high < baseline && beyond(high) => Verdict::Improved,
        _ => Verdict::Inconclusive,
    };
    let mut message = format!(
        "the process's peak memory {} the baseline's {} to {}: {} {}, {} the tolerance of {} ({}% + {} MiB)",
        direction(change),
        format::mebibytes(baseline),
        format::mebibytes(now),
        format::mebibytes(change.abs() as u64),
        if change < 0.0 { "less" } else { "more" },
        side(verdict),
        format::mebibytes(allowed as u64),
        gate.peak_tolerance_percent,
        gate.peak_tolerance_mib
    );
    if verdict == Verdict::Inconclusive {
        message.push_str("; the launches disagree by more than the tolerance");
    }
    Finding {
        metric: Metric::PeakBytes,
        baseline: Some(baseline as f64),
        now: Some(now as f64),
        change: Some(now as f64 / baseline as f64 - 1.0),
        verdict,
        fails: verdict == Verdict::Regressed,
        message,
    }
}

fn new_finding(metric: Metric, now: f64, why: &str) -> Finding {
    Finding {
        metric,
        baseline: None,
        now: Some(now),
        change: None,
        verdict: Verdict::New,
        fails: false,
        message: why.to_owned(),
    }
}

fn missing<'a>(baseline: &'a Baseline, known: &'a BTreeSet<String>) -> impl Iterator<Item = Compared> + 'a {
    baseline.cases.iter().filter(|(name, _)| !known.contains(*name)).map(|(name, stored)| Compared {
        name: name.clone(),
        case: None,
        now: None,
        baseline: Some(stored.clone()),
        findings: Vec::new(),
        failure: None,
        verdict: Verdict::Missing,
    })
}
