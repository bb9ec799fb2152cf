//! The A/A controls: in every block one arm is there twice, of each backend in turn. Any difference between the two comes from the
//! machine.

use std::collections::BTreeSet;

use serde::Serialize;

use super::plan::Judge;
use crate::config::{Case, Thresholds};
use crate::evidence::Evidence;
use crate::evidence::quantity::{Change, Seconds};
use crate::stats::{mean, median, p_value, standard_deviation};
use crate::store::record::{CaseRecord, RunRecord, failure};

/// Controls that differ from themselves by so many times what is allowed, in the median of as many blocks at least, show an unfit
/// machine whatever chance says.
const GROSS: f64 = 10.0;
const LEAST_GROSS: usize = 3;

/// Seconds of a step below which its time may be the host's rather than the device's: on an H200 controls of MLX's 5 frames (2 ms)
/// differed from themselves by up to 14%, those of 41 frames (10 ms) by 0.1 to 0.6%.
const SHORT_STEP: f64 = 0.003;

/// What the control of one case says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Control {
    /// Name of the workload.
    pub workload: String,
    /// The case that was launched twice.
    pub case: String,
    /// How much slower the second was than the first, as a log-ratio.
    pub difference: f64,
    /// Standard deviation over the blocks, as a log-ratio; `None` below two blocks.
    pub deviation: Option<f64>,
    /// Blocks.
    pub launches: usize,
    /// The step time of the case, head's; `None` where a launch of it failed.
    pub step_seconds: Option<Seconds>,
    /// Why no time of this workload can be judged, if so. It says nothing of other workloads.
    pub unfit: Option<String>,
}

impl Control {
    /// Whether its step is so short that more frames may be the remedy, rather than an idle machine.
    pub fn is_too_short(&self) -> bool {
        self.step_seconds.is_some_and(|step| step.0 < SHORT_STEP)
    }

    /// Tells what to do about a step that is too short.
    fn explained(mut self) -> Self {
        let step = self.step_seconds.filter(|_| self.is_too_short());
        if let (Some(unfit), Some(step)) = (&mut self.unfit, step) {
            unfit.push_str(&format!("; a step of {step} is too short to time on this machine: use more frames"));
        }
        self
    }
}

/// The controls of all cases that had one. A workload's backends take turns, so that what is the machine's doing, and no backend's,
/// shows best in the blocks of all of them together.
pub(super) fn controls(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Vec<Control> {
    let values = |case: &CaseRecord| evidence.case(&case.case.name).map(|evidence| evidence.control.clone());
    let controlled: Vec<(&CaseRecord, Vec<f64>)> =
        record.cases.iter().filter_map(|it| Some((it, values(it)?))).collect();
    let controlled: Vec<_> = controlled.into_iter().filter(|(_, values)| !values.is_empty()).collect();
    let workload = |case: &CaseRecord| case.case.workload.name.clone();
    let workloads: BTreeSet<String> = controlled.iter().map(|(case, _)| workload(case)).collect();
    let tests = controlled.len() + workloads.len();
    let limit =
        |case: &CaseRecord| ControlLimit::new(&thresholds.of_case(&case.case.name), record.base.is_some(), tests);
    let of_workload = |name: &String| {
        let its = controlled.iter().filter(|(case, _)| workload(case) == *name);
        let mut controls: Vec<Control> =
            its.clone().map(|(case, values)| control(case, evidence, values, &limit(case))).collect();
        let all: Vec<f64> = its.clone().flat_map(|(_, values)| values).copied().collect();
        // What the machine does to all of them, the strictest has to stand.
        let limits = its.map(|(case, _)| limit(case));
        let strictest = limits.min_by(|one, other| one.share.total_cmp(&other.share));
        let what = format!("the A/A controls of {name} differ from themselves");
        let unfit = strictest.and_then(|limit| limit.unfit(&all, &what));
        if controls.iter().all(|control| control.unfit.is_none()) {
            controls.iter_mut().take(1).for_each(|control| control.unfit = unfit.clone());
        }
        controls.into_iter().map(Control::explained).collect::<Vec<_>>()
    };
    let order: Vec<String> = controlled.iter().map(|(case, _)| workload(case)).collect();
    let mut seen = BTreeSet::new();
    order.iter().filter(|name| seen.insert(*name)).flat_map(of_workload).collect()
}

/// What nothing tells of, though the runner launches a control of every backend in turns: whether the machine was fit for a backend's
/// launches of a workload. There is none that shares a block with its case, or a launch of it failed.
pub(super) fn missing(judge: &Judge, controls: &[Control]) -> Vec<String> {
    let failed = judge.record.cases.iter().filter_map(|case| {
        let failure = failure(&case.control_launches)?;
        Some(format!("the control of {} failed: {}", case.case.name, failure.reason))
    });
    let without = if judge.plan.asks_controls { uncontrolled(judge, controls) } else { Vec::new() };
    failed.chain(without).collect()
}

/// The workloads with a measured reference that lack a control: of each backend where there were as many blocks as backends, else of
/// any.
fn uncontrolled(judge: &Judge, controls: &[Control]) -> Vec<String> {
    let is_measured = |case: &&CaseRecord| case.failure().is_none() && case.measured().next().is_some();
    let measured: Vec<&CaseRecord> = judge.record.cases.iter().filter(is_measured).collect();
    let of_workload = |reference: &&CaseRecord| {
        let workload = &reference.case.workload.name;
        let cases = || measured.iter().filter(|case| case.case.workload.name == *workload);
        let backends: BTreeSet<&str> = cases().map(|case| case.case.backend.as_str()).collect();
        let blocks = cases().map(|case| case.launches.len()).min().unwrap_or(0);
        let is_controlled = |backend: &str| {
            let mut of_backend = cases().filter(|case| case.case.backend == backend);
            of_backend.any(|case| {
                controls.iter().any(|control| control.case == case.case.name)
                    || failure(&case.control_launches).is_some()
            })
        };
        let mut without = backends.iter().filter(|backend| !is_controlled(backend));
        let first = match blocks >= backends.len() {
            true => without.next(),
            false => without.next().filter(|_| !backends.iter().any(|backend| is_controlled(backend))),
        };
        first.map(|backend| {
            format!("no A/A control: no case of {backend} in {workload} was launched twice in any block")
        })
    };
    let is_asked = |case: &&CaseRecord| {
        case.case.is_reference() && judge.plan.case(&case.case.name).is_some_and(Case::is_reference)
    };
    let mut reasons: Vec<String> =
        measured.iter().copied().filter(is_asked).filter_map(|it| of_workload(&it)).collect();
    // A workload has a reference for each dtype.
    reasons.dedup();
    reasons
}

/// Whether the machine was unfit to judge speeds of `workload`.
pub fn is_unfit(controls: &[Control], workload: &str) -> bool {
    controls.iter().any(|control| control.workload == workload && control.unfit.is_some())
}

fn control(case: &CaseRecord, evidence: &Evidence, values: &[f64], limit: &ControlLimit) -> Control {
    let name = &case.case.name;
    Control {
        workload: case.case.workload.name.clone(),
        case: name.clone(),
        difference: mean(values),
        deviation: standard_deviation(values),
        launches: values.len(),
        step_seconds: evidence.figures(name).map(|figures| figures.step_seconds),
        unfit: limit.unfit(values, &format!("the A/A control of {name} differs from itself")),
    }
}

/// How far a control may differ from itself.
pub struct ControlLimit {
    /// As a share of its time.
    share: f64,
    /// The probability that a fit machine is called unfit by one test.
    alpha: f64,
}

impl ControlLimit {
    /// The limit of so many tests: each case's control, and those of each workload together. The tolerances are the case's own.
    pub fn new(thresholds: &Thresholds, has_base: bool, tests: usize) -> Self {
        let tolerance_percent =
            if has_base { thresholds.base_tolerance_percent } else { thresholds.speedup_tolerance_percent };
        Self {
            share: tolerance_percent / 100.0 * thresholds.control_share,
            alpha: thresholds.alpha() / tests.max(1) as f64,
        }
    }

    /// Why the machine is unfit, if so: the `values`, ln(control / head) by block, differ by more than is allowed and by more than chance explains. A wide scatter
    /// alone makes verdicts inconclusive, as their own intervals show, but a bias would make them wrong.
    pub fn unfit(&self, values: &[f64], what: &str) -> Option<String> {
        let (difference, launches) = (mean(values), values.len() as f64);
        let error = standard_deviation(values).map(|deviation| (deviation / launches.sqrt(), launches - 1.0));
        let p = error.map_or(1.0, |error| 2.0 * p_value(difference.abs(), error));
        let is_significant = difference.abs() > self.share.ln_1p() && p < self.alpha;
        let is_gross = values.len() >= LEAST_GROSS && median(values).abs() > (GROSS * self.share).ln_1p();
        (is_significant || is_gross).then(|| {
            format!(
                "the machine is unfit: {what} by {}, more than the allowed {:.1}%",
                Change::from_log(difference),
                100.0 * self.share
            )
        })
    }
}
