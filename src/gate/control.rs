//! The A/A control: one arm twice in every block. Any difference between the two comes from the machine.

use serde::Serialize;

use super::speed::p_value;
use crate::config::Thresholds;
use crate::evidence::Evidence;
use crate::evidence::quantity::Change;
use crate::stats::{mean, standard_deviation};
use crate::store::record::{CaseRecord, RunRecord};

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
