//! perfgate: `perfgate compare` and `perfgate check`.

use wanbench::stats;

use super::Job;

const THRESHOLD: f64 = 0.20;

/// Whether the median wall time of the head's runs is above the base's by more than the threshold. A run is a launch, whose
/// wall time goes with its mean step.
///
/// Source: EffortlessMetrics/perfgate 0.18.1 (10f28c4): `determine_status` in crates/perfgate/src/domain/budget.rs, and
/// the defaults in `build_budgets` of src/app/check.rs, 20% of the median. From 0.9 of the threshold on it warns, which
/// fails no job unless it is told to; without a noise threshold, which has no default, it tests nothing.
pub fn flags_slower(job: &Job) -> bool {
    let median =
        |launches: &[&[f64]]| stats::median(&launches.iter().map(|steps| stats::mean(steps)).collect::<Vec<_>>());
    let (base, head) = (median(job.base), median(job.head));
    base > 0.0 && (head - base) / base > THRESHOLD
}
