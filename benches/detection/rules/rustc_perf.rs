//! rustc-perf's significance of a change.

use wanbench::stats;

use super::Job;

const PREVIOUS_COMMITS: usize = 30;
const IQR_MULTIPLIER: f64 = 3.0;
/// Where history is too short.
const DEFAULT_SIGNIFICANCE_THRESHOLD: f64 = 0.002;

/// Whether the least step takes longer by at least the threshold: the upper fence of the relative changes between the
/// minima of the 30 commits before the base, or 0.2% where there are fewer.
///
/// A recording has some 14 earlier jobs, so here it is the 0.2%; [`flags_slower_by_any_history`] is kinder.
///
/// Source: rust-lang/rustc-perf, `HistoricalDataMap` (with `NUM_PREVIOUS_COMMITS`), `HistoricalData` and
/// `TestResultComparison` in site/src/comparison.rs, since its window is 30 commits (it was 100, with 50 as the
/// fewest). What it reports of significant changes depends on their magnitude too, in classes made for its own metrics;
/// these are left out.
pub fn flags_slower(job: &Job) -> bool {
    let fence = if job.history.len() < PREVIOUS_COMMITS { None } else { upper_fence(job) };
    is_slower(job, fence.unwrap_or(DEFAULT_SIGNIFICANCE_THRESHOLD))
}

/// As [`flags_slower`], but with the fence of whatever history there is, from four jobs on. This is not what rustc-perf
/// does.
pub fn flags_slower_by_any_history(job: &Job) -> bool {
    is_slower(job, upper_fence(job).unwrap_or(DEFAULT_SIGNIFICANCE_THRESHOLD))
}

fn is_slower(job: &Job, threshold: f64) -> bool {
    let (base, head) = (least(job.base), least(job.head));
    head > base && (head - base) / base >= threshold
}

/// Q3 + 3 IQR of the changes from job to job, as shares; the base's own job is not among them. `None` below three
/// changes.
fn upper_fence(job: &Job) -> Option<f64> {
    let newest_first: Vec<f64> =
        job.history.iter().rev().take(PREVIOUS_COMMITS).map(|launches| least(launches)).collect();
    let mut changes: Vec<f64> = newest_first.windows(2).map(|pair| (pair[0] - pair[1]).abs() / pair[0]).collect();
    changes.sort_by(f64::total_cmp);
    // The quartiles are medians of the halves, which leave out one or two values in the middle.
    let half = changes.len().saturating_sub(1) / 2;
    if half == 0 {
        return None;
    }
    let (first, third) = (stats::median(&changes[..half]), stats::median(&changes[changes.len() - half..]));
    Some(third + IQR_MULTIPLIER * (third - first))
}

/// The least step, in seconds; NaN without one.
fn least(launches: &[&[f64]]) -> f64 {
    launches.iter().copied().flatten().copied().fold(f64::NAN, f64::min)
}
