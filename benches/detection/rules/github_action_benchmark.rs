//! github-action-benchmark.

use super::{Job, mean_step};

/// A setting: the default is 200%, which no change asked about here reaches.
const ALERT_THRESHOLD: f64 = 1.1;

/// Whether the mean step takes more than the threshold times the base's.
///
/// Source: benchmark-action/github-action-benchmark: `findAlerts` in src/write.ts (019cbcb; ratio > threshold, against
/// the last suite of another commit), `alert-threshold` in action.yml (09a6990).
pub fn flags_slower(job: &Job) -> bool {
    mean_step(job.head) / mean_step(job.base) > ALERT_THRESHOLD
}
