//! Bencher's t-test threshold.

use wanbench::stats;

use super::{Job, last, mean_step};

const UPPER_BOUNDARY: f64 = 0.99;
const MAX_SAMPLE_SIZE: usize = 64;

/// Whether the head's mean lies above the quantile of a t distribution around the mean of the base branch's results.
///
/// Source: bencherdev/bencher, lib/bencher_boundary: `new_normal` in src/limits/mod.rs (05a7b26), degrees of freedom n
/// − 1 in src/boundary.rs, and in src/mean.rs (0b8f911) the deviation, which divides by n, not n − 1; without a spread
/// there is no alert. There is no default; boundary and sample size are those of its documented example (`t_test`,
/// 0.99, 64).
pub fn flags_slower(job: &Job) -> bool {
    let means = job.base_means();
    let means = last(&means, MAX_SAMPLE_SIZE);
    let Some(deviation) = stats::standard_deviation(means).filter(|deviation| *deviation > 0.0) else { return false };
    let freedom = (means.len() - 1) as f64;
    let population_deviation = deviation * (freedom / means.len() as f64).sqrt();
    let limit = stats::mean(means) + population_deviation * stats::t_quantile(UPPER_BOUNDARY, freedom);
    mean_step(job.head) > limit
}
