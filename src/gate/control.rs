//! The A/A control: one arm twice in every block. Any difference between the two comes from the machine.

use serde::Serialize;

use super::plan::Judge;
use super::speed::p_value;
use crate::config::{Case, Thresholds};
use crate::evidence::Evidence;
use crate::evidence::quantity::Change;
use crate::stats::{mean, standard_deviation};
use crate::store::record::{CaseRecord, RunRecord, failure};

/// A control that differs from itself by so many times what is allowed shows an unfit machine, however few the launches.
const GROSS: f64 = 10.0;

/// What the control of one workload says.
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
    /// Why no time of this workload can be judged, if so.
    pub unfit: Option<String>,
}

/// The controls of all workloads that had one.
pub(super) fn controls(record: &RunRecord, evidence: &Evidence, thresholds: &Thresholds) -> Vec<Control> {
    let tolerance = match record.base {
        Some(_) => thresholds.base_tolerance_percent,
        None => thresholds.speedup_tolerance_percent,
    };
    let limit = tolerance / 100.0 * thresholds.control_share;
    let number = record.cases.iter().filter(|case| !case.control_launches.is_empty()).count();
    let alpha = thresholds.alpha() / number.max(1) as f64;
    let of_case = |case: &CaseRecord| control(case, &evidence.case(&case.case.name)?.control, limit, alpha);
    record.cases.iter().filter_map(of_case).collect()
}

/// The workloads of which nothing tells whether the machine was fit, though the runner launches a control of every reference:
/// there is none, it shares no block with the reference, or a launch of it failed.
pub(super) fn missing(judge: &Judge, controls: &[Control]) -> Vec<String> {
    let is_measured = |case: &&CaseRecord| case.failure().is_none() && case.measured().next().is_some();
    let references = judge.record.cases.iter().filter(|case| case.case.is_reference()).filter(is_measured);
    let fault = |case: &CaseRecord| {
        let name = &case.case.name;
        let is_asked = judge.plan.asks_controls && judge.plan.case(name).is_some_and(Case::is_reference);
        match failure(&case.control_launches) {
            Some(failure) => Some(format!("the control of {name} failed: {}", failure.reason)),
            None if is_asked && controls.iter().all(|control| control.case != *name) => {
                Some(format!("no A/A control: {name} was not launched twice in any block"))
            }
            None => None,
        }
    };
    references.filter_map(fault).collect()
}

/// Whether the machine was unfit to judge speeds of `workload`.
pub fn is_unfit(controls: &[Control], workload: &str) -> bool {
    controls.iter().any(|control| control.workload == workload && control.unfit.is_some())
}

/// A machine is unfit if its control differs by more than `limit` and by more than chance explains: a wide scatter alone
/// makes verdicts inconclusive, as their own intervals show, but a bias would make them wrong.
fn control(case: &CaseRecord, values: &[f64], limit: f64, alpha: f64) -> Option<Control> {
    if values.is_empty() {
        return None;
    }
    let difference = mean(values);
    let deviation = standard_deviation(values);
    let launches = values.len() as f64;
    let p = deviation
        .map_or(1.0, |deviation| 2.0 * p_value(difference.abs(), (deviation / launches.sqrt(), launches - 1.0)));
    let is_unfit = difference.abs() > limit.ln_1p() && p < alpha || difference.abs() > (GROSS * limit).ln_1p();
    Some(Control {
        workload: case.case.workload.name.clone(),
        case: case.case.name.clone(),
        difference,
        deviation,
        launches: values.len(),
        unfit: is_unfit.then(|| {
            format!(
                "the machine is unfit: the A/A control of {} differs from itself by {}, more than the allowed {:.1}%",
                case.case.name,
                Change::from_log(difference),
                100.0 * limit
            )
        }),
    })
}
