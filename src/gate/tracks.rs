//! The speeds of a run as questions for [`super::speed`], and the answers as findings.
//!
//! With a base revision beside it, a case is judged by its own step time: machine drift cancels there. Its speedup over the
//! reference, against the committed baseline, then fails only where this change moved one of the two sides. Without a base
//! the speedup is the question.

use std::collections::{BTreeMap, BTreeSet};

use super::control::{Control, is_unfit};
use super::speed::{Against, Answer, Decision, Track, answer};
use super::{Finding, Metric, Verdict, direction, new_finding, stored};
use crate::config::{Look, Thresholds};
use crate::evidence::figures::log_ratios;
use crate::stats;
use crate::store::baseline::{Baseline, BaselineCase};
use crate::store::record::{CaseRecord, Launch, Role, RunRecord, failure, measured};
use crate::text::format;

/// The findings on every case's speed, by the case's name.
pub(super) fn judge(
    record: &RunRecord,
    baseline: Option<&Baseline>,
    controls: &[Control],
    gate: &Thresholds,
) -> BTreeMap<String, Vec<Finding>> {
    let looks = gate.looks(record.launches, record.blocks());
    let step_times = Asked::step_times(record, gate);
    let speedups = Asked::speedups(record, baseline, gate);
    let (steps, speeds) = if step_times.names.is_empty() {
        (BTreeMap::new(), speedups.answers(&looks))
    } else {
        // Beside step times the speedup is one question at the end.
        let end = Look { launches: record.blocks(), alpha: gate.alpha(), is_early: false };
        (step_times.answers(&looks), speedups.answers(&[end]))
    };
    let judge_case = |case: &CaseRecord| {
        let name = &case.case.name;
        let mut findings = Vec::new();
        if !case.base_launches.is_empty() {
            findings.push(match steps.get(name) {
                Some(answer) => step_time(case, answer, gate),
                None => no_base(case),
            });
        }
        let moved = (!case.base_launches.is_empty()).then(|| may_have_moved(case, &steps));
        findings.extend(speedup(record, case, stored(baseline, &case.case), baseline, speeds.get(name), moved, gate));
        if is_unfit(controls, &case.case.workload.name) {
            findings.iter_mut().for_each(withdraw);
        }
        (name.clone(), findings)
    };
    record.cases.iter().map(judge_case).collect()
}

/// See [`super::settled`].
pub(super) fn settled(record: &RunRecord, baseline: Option<&Baseline>, gate: &Thresholds) -> BTreeSet<String> {
    let done = record.blocks();
    if !gate.is_look(record.launches, done) {
        return BTreeSet::new();
    }
    let step_times = Asked::step_times(record, gate);
    let asked = if step_times.names.is_empty() { Asked::speedups(record, baseline, gate) } else { step_times };
    let answers = asked.answers(&gate.looks(record.launches, done));
    let is_open = |case: &&CaseRecord| match answers.get(&case.case.name) {
        Some(answer) => answer.decision == Decision::Open,
        None => is_asked(record, case),
    };
    let open: BTreeSet<&str> =
        record.cases.iter().filter(is_open).map(|case| case.case.workload.name.as_str()).collect();
    let all = record.cases.iter().map(|case| case.case.workload.name.as_str());
    all.filter(|workload| !open.contains(workload)).map(str::to_owned).collect()
}

/// Whether `case`, of which nothing is asked yet, is to go on. What failed or was skipped asks nothing more; neither
/// does a reference without a base beside it, nor a case whose reference was skipped.
fn is_asked(record: &RunRecord, case: &CaseRecord) -> bool {
    let reference = case.case.reference.as_ref().filter(|_| !case.case.is_reference());
    let is_skipped = |name: &String| record.case(name).is_some_and(|reference| reference.skipped.is_some());
    case.failure().is_none() && case.skipped.is_none() && reference.is_some_and(|name| !is_skipped(name))
}

/// Questions, with the names of the cases they are about.
struct Asked {
    names: Vec<String>,
    tracks: Vec<Track>,
}

impl Asked {
    /// Each case's own step time against the base revision's.
    fn step_times(record: &RunRecord, gate: &Thresholds) -> Self {
        let track = |case: &CaseRecord| {
            let is_whole = !case.has_failed(Role::Head) && !case.has_failed(Role::Base);
            let values = log_ratios(&case.base_launches, &case.launches);
            (is_whole && !values.is_empty()).then(|| Track::beside_base(values, gate))
        };
        Self::of(record, track)
    }

    /// Each case's speedup against the baseline's.
    fn speedups(record: &RunRecord, baseline: Option<&Baseline>, gate: &Thresholds) -> Self {
        let track = |case: &CaseRecord| {
            Some(Track {
                values: log_speedups(record, case)?,
                against: against(stored(baseline, &case.case)?, gate)?,
                tolerance: 1.0 + gate.speedup_tolerance_percent / 100.0,
            })
        };
        Self::of(record, track)
    }

    fn of(record: &RunRecord, track: impl Fn(&CaseRecord) -> Option<Track>) -> Self {
        let asked = record.cases.iter().filter_map(|case| Some((case.case.name.clone(), track(case)?)));
        let (names, tracks) = asked.unzip();
        Self { names, tracks }
    }

    fn answers(&self, looks: &[Look]) -> BTreeMap<String, Answer> {
        self.names.iter().cloned().zip(answer(&self.tracks, looks)).collect()
    }
}

/// ln of the speedup by block; `None` where it or its reference failed, was skipped or was not measured, or is the
/// reference.
fn log_speedups(record: &RunRecord, case: &CaseRecord) -> Option<Vec<f64>> {
    let reference = record.case(case.case.reference.as_ref()?)?;
    if case.case.is_reference() || case.failure().is_some() || reference.failure().is_some() {
        return None;
    }
    Some(log_ratios(&reference.launches, &case.launches)).filter(|values| !values.is_empty())
}

/// What the baseline holds a speedup against: its jobs where they are enough, else its latest value.
fn against(stored: &BaselineCase, gate: &Thresholds) -> Option<Against> {
    let means: Vec<f64> = stored.jobs.iter().filter_map(|job| job.mean_log_speedup).collect();
    if means.len() >= gate.calibrated_jobs.max(2) {
        return Some(Against::Jobs(means));
    }
    let variance = stored.jobs.last().and_then(|job| {
        let launches = job.launches as f64;
        (job.launches >= 2).then_some((job.deviation_log_speedup?.powi(2) / launches, launches - 1.0))
    });
    Some(Against::Level { mean: stored.speedup?.ln(), variance })
}

/// Whether this change may have made the case or its reference faster or slower: unless both are shown not to be slower
/// than the base, nor faster.
fn may_have_moved(case: &CaseRecord, steps: &BTreeMap<String, Answer>) -> bool {
    let sides = [Some(&case.case.name), case.case.reference.as_ref()];
    !sides
        .into_iter()
        .flatten()
        .all(|name| steps.get(name).is_some_and(|answer| answer.decision == Decision::Unchanged))
}

fn step_time(case: &CaseRecord, answer: &Answer, gate: &Thresholds) -> Finding {
    let verdict = verdict(answer.decision);
    // A log-ratio of speeds, turned into a change of the time.
    let change = (-answer.change).exp_m1();
    // By the blocks: medians of each side's own times would carry what disturbed the one and not the other.
    let now = median_step(&case.launches);
    let before = now / (1.0 + change);
    let interval = answer.interval.map(|(low, high)| ((-high).exp_m1(), (-low).exp_m1()));
    let message = format!(
        "{}'s own step time {} the base revision's {} to {}: {}, {} the tolerance of {}%{}",
        format::backend(&case.case.backend),
        direction(change),
        format::seconds(before),
        format::seconds(now),
        with_interval(change, interval),
        side(change, gate.base_tolerance_percent),
        gate.base_tolerance_percent,
        doubt(answer, gate.base_tolerance_percent)
    );
    Finding {
        change: Some(change),
        interval,
        fails: verdict == Verdict::Regressed,
        ..Finding::new(Metric::StepTime, Some(before), Some(now), verdict, message).with_reach(answer)
    }
}

fn no_base(case: &CaseRecord) -> Finding {
    let failed = failure(&case.base_launches).map(|failure| failure.reason.as_str());
    let reason = failed.unwrap_or("it shares no block with the case");
    let message = format!("its own step time cannot be judged: the base revision's worker failed: {reason}");
    Finding::new(Metric::StepTime, None, None, Verdict::Inconclusive, message)
}

/// `moved` tells, where a base revision was beside it, whether this change moved one of the speedup's sides.
fn speedup(
    record: &RunRecord,
    case: &CaseRecord,
    stored: Option<&BaselineCase>,
    baseline: Option<&Baseline>,
    answer: Option<&Answer>,
    moved: Option<bool>,
    gate: &Thresholds,
) -> Option<Finding> {
    let Some(values) = log_speedups(record, case) else {
        let before = stored.and_then(|stored| stored.speedup).filter(|_| !case.case.is_reference())?;
        return Some(lost_speedup(record, case, before));
    };
    let now = stats::mean(&values).exp();
    let Some(answer) = answer else { return Some(new_finding(Metric::Speedup, now, "no baseline speedup")) };
    let change = answer.change.exp_m1();
    let interval = answer.interval.map(|(low, high)| (low.exp_m1(), high.exp_m1()));
    let stored = stored?;
    let before = now / answer.change.exp();
    let is_ours = moved.unwrap_or(true);
    let verdict = if is_ours { verdict(answer.decision) } else { Verdict::Unchanged };
    let mut message = format!(
        "speedup (the reference's step time over this case's) {} the baseline's {} to {}: {}, {} the tolerance of {}%",
        direction(change),
        format::speedup(before),
        format::speedup(now),
        with_interval(change, interval),
        side(change, gate.speedup_tolerance_percent),
        gate.speedup_tolerance_percent,
    );
    if is_ours {
        message.push_str(&doubt(answer, gate.speedup_tolerance_percent));
        if verdict != Verdict::Unchanged {
            message.push_str(&uncalibrated(stored, gate));
        }
        if matches!(verdict, Verdict::Regressed | Verdict::Improved) {
            message.push_str(&attribution(record, case, stored, baseline, gate).unwrap_or_default());
        }
    } else {
        message.push_str("; beside each other head and base do not differ, so it is not this change's doing");
    }
    // Small steps that pass one by one, or another machine, add up: a reader should know.
    let is_drift = !is_ours && side(change, gate.speedup_tolerance_percent) == "beyond";
    Some(Finding {
        change: Some(change),
        interval,
        is_drift,
        fails: verdict == Verdict::Regressed,
        ..Finding::new(Metric::Speedup, Some(before), Some(now), verdict, message).with_reach(answer)
    })
}

/// The finding where the baseline has a speedup and this run none.
fn lost_speedup(record: &RunRecord, case: &CaseRecord, baseline: f64) -> Finding {
    let reference = case.case.reference.as_ref().and_then(|name| record.case(name));
    let message = format!(
        "its speedup, {} in the baseline, cannot be judged: the reference was {}",
        format::speedup(baseline),
        match reference.and_then(|reference| reference.skipped) {
            Some(skipped) => format!("skipped ({skipped})"),
            None => "not measured, or failed".to_owned(),
        }
    );
    Finding::new(Metric::Speedup, Some(baseline), None, Verdict::Inconclusive, message)
}

/// On an unfit machine a speed is not judged.
fn withdraw(finding: &mut Finding) {
    if finding.verdict != Verdict::New {
        finding.verdict = Verdict::Inconclusive;
        finding.fails = false;
        finding.message.push_str("; not judged, since the machine is unfit");
    }
}

fn verdict(decision: Decision) -> Verdict {
    match decision {
        Decision::Slower => Verdict::Regressed,
        Decision::Faster => Verdict::Improved,
        Decision::Unchanged => Verdict::Unchanged,
        Decision::Open => Verdict::Inconclusive,
    }
}

fn side(change: f64, tolerance_percent: f64) -> &'static str {
    if change.ln_1p().abs() <= (tolerance_percent / 100.0).ln_1p() { "within" } else { "beyond" }
}

fn with_interval(change: f64, interval: Option<(f64, f64)>) -> String {
    match interval {
        Some((low, high)) => {
            format!("{} (95%: {} to {})", format::percent(change), format::percent(low), format::percent(high))
        }
        None => format::percent(change),
    }
}

/// What keeps an open question from being decided, and what would decide it.
fn doubt(answer: &Answer, tolerance_percent: f64) -> String {
    let why = match (answer.decision, answer.interval) {
        (Decision::Slower | Decision::Faster | Decision::Unchanged, _) => return String::new(),
        (Decision::Open, None) => ", but one launch cannot tell change from chance",
        (Decision::Open, Some(_)) if side(answer.change.exp_m1(), tolerance_percent) == "beyond" => {
            ", but no more than chance explains"
        }
        (Decision::Open, Some(_)) => ", but its interval reaches beyond: a regression could hide in it",
    };
    match answer.settling_launches {
        Some(launches) => format!("{why}; about {launches} launches would settle it"),
        None => why.to_owned(),
    }
}

/// Says where the baseline does not tell how much jobs differ.
fn uncalibrated(stored: &BaselineCase, gate: &Thresholds) -> String {
    match stored.jobs.len() {
        jobs if jobs >= gate.calibrated_jobs => String::new(),
        jobs => format!(
            " (uncalibrated: {} in the baseline, {} would tell how much jobs differ)",
            format::count(jobs, "job"),
            gate.calibrated_jobs
        ),
    }
}

/// Both sides' step times then and now, and which of them moved; `None` where the baseline holds none.
fn attribution(
    record: &RunRecord,
    case: &CaseRecord,
    stored: &BaselineCase,
    baseline: Option<&Baseline>,
    gate: &Thresholds,
) -> Option<String> {
    let reference = record.case(case.case.reference.as_ref()?)?;
    let before = baseline?.cases.get(&reference.case.name)?.step_seconds?;
    let own = Side::new(case, stored.step_seconds?);
    let other = Side::new(reference, before);
    let mover = match (own.log_change(), other.log_change()) {
        (own, other) if own.abs() > gate.attribution_factor * other.abs() => {
            format!("it is {} that moved", format::backend(&case.case.backend))
        }
        (own, other) if other.abs() > gate.attribution_factor * own.abs() => {
            format!("it is {} that moved", format::backend(&reference.case.backend))
        }
        _ => "both moved".to_owned(),
    };
    Some(format!("; step times: {}, {}: {mover}", own.describe(), other.describe()))
}

/// A backend's step time then and now, in seconds.
struct Side {
    backend: String,
    before: f64,
    now: f64,
}

impl Side {
    fn new(case: &CaseRecord, before: f64) -> Self {
        Self { backend: format::backend(&case.case.backend), before, now: median_step(&case.launches) }
    }

    fn log_change(&self) -> f64 {
        (self.now / self.before).ln()
    }

    fn describe(&self) -> String {
        let change = format::percent(self.now / self.before - 1.0);
        format!("{} {} → {} ({change})", self.backend, format::seconds(self.before), format::seconds(self.now))
    }
}

/// Median over launches of the launch's median step, as the tables show it.
fn median_step(launches: &[Launch]) -> f64 {
    stats::median(&measured(launches).map(|(_, launch)| launch.median_step_seconds()).collect::<Vec<_>>())
}
