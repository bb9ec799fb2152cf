//! benchstat, given every step or every launch as a measurement.
//!
//! Source: golang/perf, `AssumeNothing` in benchmath/anone.go (af31a76, 2022): medians, compared by the Mann-Whitney U
//! test; a difference is shown where p is not above alpha.

use wanbench::stats;

use super::{Job, mann_whitney};

const ALPHA: f64 = 0.05;
/// What a difference of medians is held against by those who gate on benchstat's output: it has no threshold itself.
const LEAST_CHANGE: f64 = 0.01;

/// Whether the steps of all launches differ, as if they were independent, and the head's median is the larger.
pub fn flags_slower_by_steps(job: &Job) -> bool {
    is_slower(&job.base.concat(), &job.head.concat())
}

/// Whether the steps differ and the head's median is more than 1% above the base's.
pub fn flags_slower_by_steps_beyond_one_percent(job: &Job) -> bool {
    let (base, head) = (job.base.concat(), job.head.concat());
    stats::median(&head) > (1.0 + LEAST_CHANGE) * stats::median(&base) && is_slower(&base, &head)
}

/// Whether the launches' medians differ, and the head's are the larger.
pub fn flags_slower_by_launches(job: &Job) -> bool {
    let medians = |launches: &[&[f64]]| launches.iter().map(|steps| stats::median(steps)).collect::<Vec<_>>();
    is_slower(&medians(job.base), &medians(job.head))
}

fn is_slower(base: &[f64], head: &[f64]) -> bool {
    stats::median(head) > stats::median(base) && mann_whitney::p_value(base, head) <= ALPHA
}
