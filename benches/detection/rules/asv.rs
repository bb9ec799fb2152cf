//! asv: `asv continuous` and `asv compare`.

use statrs::distribution::{ContinuousCDF, Normal};
use wanbench::stats;

use super::{Job, mann_whitney};

const FACTOR: f64 = 1.1;
const P_THRESHOLD: f64 = 0.002;
/// Largest sample whose arrangements are counted.
const EXACT_LIMIT: usize = 20;

/// Whether the median step takes more than the factor times the base's, and the steps of all launches differ. With a
/// single step in either arm the factor decides alone.
///
/// Source: airspeed-velocity/asv, `_is_result_better` in asv/commands/compare.py and `is_different` in asv/_stats.py
/// (4b9cb9b); the factor in asv/commands/common_args.py. Samples too small for the U test are compared there by 99%
/// intervals, but these are infinite below eight values, so they always overlap.
pub fn flags_slower(job: &Job) -> bool {
    let (base, head) = (job.base.concat(), job.head.concat());
    let differ = base.len() == 1 || head.len() == 1 || are_different(&base, &head);
    differ && stats::median(&base) < stats::median(&head) / FACTOR
}

fn are_different(base: &[f64], head: &[f64]) -> bool {
    // One arrangement of all: the least p that the test can give.
    let fewest = base.len().min(head.len());
    let arrangements: f64 = (0..fewest).map(|i| (base.len() + head.len() - i) as f64 / (i + 1) as f64).product();
    1.0 / arrangements < P_THRESHOLD && p_value(base, head) < P_THRESHOLD
}

/// Two-sided p of the U test, with the ties broken in the least significant way and no correction.
fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.len() * b.len();
    let count =
        |is_so: fn(&f64, &f64) -> bool| a.iter().map(|a| b.iter().filter(|b| is_so(a, b)).count()).sum::<usize>();
    let least = count(|a, b| a > b);
    let most = least + count(|a, b| a == b);
    let nearest = (pairs / 2).clamp(least, most);
    let u = nearest.min(pairs - nearest);
    if a.len().max(b.len()) > EXACT_LIMIT {
        let variance = (pairs * (a.len() + b.len() + 1)) as f64 / 12.0;
        return 2.0 * Normal::standard().cdf((u as f64 - pairs as f64 / 2.0) / variance.sqrt());
    }
    let ranks: Vec<usize> = (1..=a.len() + b.len()).map(|rank| 2 * rank).collect();
    let ways = mann_whitney::ways(&ranks, a.len());
    let all: f64 = ways.iter().sum();
    // U and its doubled rank sum differ by the least sum that the ranks can have.
    let sum = |u: usize| 2 * u + a.len() * (a.len() + 1);
    let below: f64 = ways[..=sum(u)].iter().sum();
    let above: f64 = ways[sum((pairs / 2 + 1).max(pairs - u))..].iter().sum();
    (below + above) / all
}
