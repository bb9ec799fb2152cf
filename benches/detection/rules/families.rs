//! Textbook tests of all cases of a run together, with wanbench's error probability and its tolerance: what its own looks
//! and questions are to be better than.

use wanbench::evidence::figures::log_ratio;
use wanbench::stats;

use super::{Job, mann_whitney};

/// Probability of any false alarm in a run.
const ALPHA: f64 = 0.01;
/// A slowdown must be beyond this ratio to matter.
const TOLERANCE: f64 = 1.02;

/// Whether the mean log-ratio of paired launches is above zero, and beyond the tolerance.
///
/// Source: Student 1908, "The probable error of a mean", on differences; over cases Holm 1979, "A simple sequentially
/// rejective multiple test procedure".
pub fn paired_t(jobs: &[Job]) -> Vec<bool> {
    let tests: Vec<(f64, f64)> = jobs.iter().map(paired_p_value).collect();
    let p_values: Vec<f64> = tests.iter().map(|(_, p)| *p).collect();
    let rejected = stats::holm(&p_values, ALPHA);
    tests.iter().zip(rejected).map(|((mean, _), rejected)| rejected && *mean > TOLERANCE.ln()).collect()
}

/// The mean log-ratio, and the one-sided probability of one as great without a change; without any spread it is 0 or
/// 1.
fn paired_p_value(job: &Job) -> (f64, f64) {
    let values: Vec<f64> = job.base.iter().zip(job.head).map(|(base, head)| log_ratio(head, base)).collect();
    let mean = stats::mean(&values);
    let error = stats::standard_deviation(&values).unwrap_or(0.0) / (values.len() as f64).sqrt();
    let p = match () {
        () if error > 0.0 => stats::t_probability(-mean / error, (values.len() - 1) as f64),
        () if mean > 0.0 => 0.0,
        () => 1.0,
    };
    (mean, p)
}

/// Whether the medians of the head's launches rank above the base's, and their median is beyond the tolerance.
///
/// Source: Mann & Whitney 1947, one-sided, over cases by Bonferroni's inequality.
pub fn medians_by_rank(jobs: &[Job]) -> Vec<bool> {
    let medians = |launches: &[&[f64]]| launches.iter().map(|steps| stats::median(steps)).collect::<Vec<_>>();
    let is_slower = |job: &Job| {
        let (base, head) = (medians(job.base), medians(job.head));
        // Of a two-sided p, the half lies on the side of the larger median.
        stats::median(&head) > TOLERANCE * stats::median(&base)
            && mann_whitney::p_value(&base, &head) / 2.0 < ALPHA / jobs.len() as f64
    };
    jobs.iter().map(is_slower).collect()
}
