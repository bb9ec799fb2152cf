//! FastVideo's performance tests.

use wanbench::stats;

use super::{Job, last, mean_step};

const THRESHOLD: f64 = 0.05;
const RUNS: usize = 5;

/// Whether the mean step takes more than 5% longer than the median of the base branch's last five runs.
///
/// Source: hao-ai-lab/FastVideo: `_baseline_metric` and `last_n` in fastvideo/tests/performance/compare_baseline.py,
/// `dit_time_s` in fastvideo/performance/metric_policy.py (2026). It asks for 0.25 s of a whole generation as well;
/// this is left out, in the rule's favour.
pub fn flags_slower(job: &Job) -> bool {
    let baseline = stats::median(last(&job.base_means(), RUNS));
    (mean_step(job.head) - baseline) / baseline > THRESHOLD
}
