//! Baselines: what is remembered of a case, and its jobs.

use super::figure::{bytes, change, known, log_deviation, log_ratio, ratio, step_seconds, steps};
use super::{Checked, require};
use crate::store::baseline::{Baseline, BaselineCase, Job, ModelMemory};

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
    known("step_seconds", case.step_seconds, step_seconds)?;
    known("framework_peak_bytes", case.framework_peak_bytes, bytes)?;
    known("process_peak_bytes", case.process_peak_bytes, bytes)?;
    for it in &case.jobs {
        job(it).map_err(|reason| format!("job of {}: {reason}", it.date))?;
    }
    known("accepted.change", case.accepted.as_ref().and_then(|accepted| accepted.change), change)
}

fn job(job: &Job) -> Checked {
    require(job.launches > 0, || "launches is 0".to_owned())?;
    known("mean_log_speedup", job.mean_log_speedup, log_ratio)?;
    known("deviation_log_speedup", job.deviation_log_speedup, log_deviation)?;
    steps(&job.launch_step_seconds)
}
