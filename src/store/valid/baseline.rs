//! Baselines: what is remembered of a case, and its recorded runs.

use super::figure::{bytes, change, computed_step_seconds, half_width, known, log_deviation, log_ratio, ratio, steps};
use super::{Checked, require};
use crate::store::baseline::{Acceptance, Anchor, Baseline, BaselineCase, ModelMemory, RecordedRun};

/// Whether all figures of a machine's baseline can be true; an imported one need not have all.
///
/// # Errors
/// The case, the figure and its value.
pub fn baseline(baseline: &Baseline) -> Checked {
    baseline.cases.iter().try_for_each(|(name, it)| case(it).map_err(|reason| format!("case {name}: {reason}")))
}

/// Whether all bytes can be true.
///
/// # Errors
/// The model and its bytes.
pub fn model_memory(memory: &ModelMemory) -> Checked {
    memory.models.iter().try_for_each(|(name, it)| bytes(name, *it))
}

fn case(case: &BaselineCase) -> Checked {
    require(case.steps > 0, || "steps is 0".to_owned())?;
    known("speedup", case.speedup, ratio)?;
    known("step_seconds", case.step_seconds, computed_step_seconds)?;
    known("framework_peak_bytes", case.framework_peak_bytes, bytes)?;
    known("process_peak_bytes", case.process_peak_bytes, bytes)?;
    for it in &case.jobs {
        recorded_run(it).map_err(|reason| format!("run of {}: {reason}", it.date))?;
    }
    case.anchor.iter().try_for_each(|it| anchor(it).map_err(|reason| format!("anchor: {reason}")))?;
    case.accepted.iter().try_for_each(|it| accepted(it).map_err(|reason| format!("accepted: {reason}")))
}

pub(super) fn accepted(accepted: &Acceptance) -> Checked {
    known("change", accepted.change, change)?;
    accepted.times.iter().try_for_each(|(name, time)| {
        change(&format!("change of {name}"), time.change)?;
        known(&format!("half_width of {name}"), time.half_width, half_width)
    })
}

fn anchor(anchor: &Anchor) -> Checked {
    require(anchor.jobs > 0, || "jobs is 0".to_owned())?;
    known("speedup", anchor.speedup, ratio)?;
    known("step_seconds", anchor.step_seconds, computed_step_seconds)?;
    known("process_peak_bytes", anchor.process_peak_bytes, bytes)?;
    known("framework_peak_bytes", anchor.framework_peak_bytes, bytes)
}

fn recorded_run(run: &RecordedRun) -> Checked {
    require(run.launches > 0, || "launches is 0".to_owned())?;
    known("mean_log_speedup", run.mean_log_speedup, log_ratio)?;
    known("deviation_log_speedup", run.deviation_log_speedup, log_deviation)?;
    steps(&run.launch_step_seconds)
}
