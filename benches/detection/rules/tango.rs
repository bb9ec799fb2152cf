//! Tango: paired differences.

use wanbench::stats;

use super::Job;

const Z_SCORE: f64 = 2.6;
const LEAST_CHANGE: f64 = 0.005;
const IQR_MULTIPLIER: f64 = 1.5;
/// Least interquartile range that fences are put around, and least difference that counts.
const CLOCK_NANOSECONDS: f64 = 1.0;

/// Whether the mean difference of steps taken in turn is far from 0 in its standard errors, and is more than 0.5% of
/// the base's mean step.
///
/// Source: bazhenov/tango, `calculate_run_result`, `DiffEstimate::build` and `iqr_variance_thresholds` in
/// tango-bench/src/lib.rs (2b0bf5d). Outliers are removed as its option `-o` does; without it they stay.
pub fn flags_slower(job: &Job) -> bool {
    let steps = job.base.iter().zip(job.head).flat_map(|(base, head)| base.iter().zip(*head));
    let mut pairs: Vec<(f64, f64)> = steps.map(|(base, head)| (1e9 * base, 1e9 * (head - base))).collect();
    remove_outliers(&mut pairs);
    let (base, differences): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let mean = stats::mean(&differences);
    let deviation = stats::standard_deviation(&differences).unwrap_or(0.0);
    let z_score = mean / (deviation / (differences.len() as f64).sqrt());
    z_score >= Z_SCORE && mean / stats::mean(&base) > LEAST_CHANGE && mean >= CLOCK_NANOSECONDS
}

/// Keeps the pairs whose difference lies inside as many from either end as lie below the lower fence.
///
/// The source takes the smaller number of those below the lower and those above the upper fence, but counts the latter
/// from a wrong place, so that they are never the fewer.
fn remove_outliers(pairs: &mut Vec<(f64, f64)>) {
    let mut sorted: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    sorted.sort_by(f64::total_cmp);
    let (first, third) = (sorted.len() / 4, (3 * sorted.len() / 4).saturating_sub(1));
    if first >= third {
        return;
    }
    let range = (sorted[third] - sorted[first]).max(CLOCK_NANOSECONDS);
    let fence = sorted[first] - IQR_MULTIPLIER * range;
    let outliers = sorted.iter().filter(|difference| **difference < fence).count();
    let kept = sorted[outliers]..=sorted[sorted.len() - 1 - outliers];
    pairs.retain(|pair| kept.contains(&pair.1));
}
