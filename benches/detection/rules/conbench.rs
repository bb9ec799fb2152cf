//! conbench: the lookback z-score.

use wanbench::stats;

use super::{Job, last, mean_step};

const THRESHOLD_Z: f64 = 5.0;
const DISTRIBUTION_COMMITS: usize = 100;

/// Whether the head's mean lies more than five deviations above the mean of the base revision's jobs. The deviation is
/// that of each job from the mean of those before it.
///
/// Source: conbench/conbench, `set_z_scores` and `_add_rolling_stats_columns_to_df` in conbench/entities/history.py,
/// `Z_SCORE` in conbench/entities/_comparator.py (06dbac7). Before that it drops single spikes, jobs whose change from
/// the one before and to the one after both lie beyond five deviations of changes; this is left out.
pub fn flags_slower(job: &Job) -> bool {
    let means = job.base_means();
    let means = last(&means, DISTRIBUTION_COMMITS);
    // The first has none before it and counts as its own mean.
    let residuals: Vec<f64> =
        (0..means.len()).map(|index| means[index] - stats::mean(&means[..index.max(1)])).collect();
    let Some(deviation) = stats::standard_deviation(&residuals).filter(|deviation| *deviation > 0.0) else {
        return false;
    };
    (mean_step(job.head) - stats::mean(means)) / deviation > THRESHOLD_Z
}
