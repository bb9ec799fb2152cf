//! criterion.rs: the comparison with a baseline.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use wanbench::stats;

use super::Job;

const SIGNIFICANCE_LEVEL: f64 = 0.05;
const CONFIDENCE_LEVEL: f64 = 0.95;
const NOISE_THRESHOLD: f64 = 0.01;
/// The default is 100,000. A thousand leave a p-value near 5% uncertain by 0.7%, and the bench short.
const RESAMPLES: usize = 1000;
const SEED: u64 = 0;

/// Whether "performance has regressed": the means of all steps differ by a bootstrapped t-test, and the interval of
/// their relative difference lies above the noise threshold.
///
/// Source: bheisler/criterion.rs: `t_test` and `estimates` in src/analysis/compare.rs (f1ea31a), `compare_to_threshold`
/// in src/report.rs, `Distribution::p_value`; the defaults of `Criterion`. It crosses few resamples of either arm with
/// each other; here every one is drawn anew.
pub fn flags_slower(job: &Job) -> bool {
    let (base, head) = (job.base.concat(), job.head.concat());
    if base.len() < 2 || head.len() < 2 {
        return false;
    }
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    p_value(&base, &head, &mut random) < SIGNIFICANCE_LEVEL && least_change(&base, &head, &mut random) > NOISE_THRESHOLD
}

/// How rare the observed t is among those of two samples drawn from all steps alike.
fn p_value(base: &[f64], head: &[f64], random: &mut Pcg64Mcg) -> f64 {
    let observed = welch_t(head, base);
    let pool = [base, head].concat();
    let drawn =
        (0..RESAMPLES).map(|_| welch_t(&resample(&pool, head.len(), random), &resample(&pool, base.len(), random)));
    let drawn: Vec<f64> = drawn.filter(|t| t.is_finite()).collect();
    let below = drawn.iter().filter(|t| **t < observed).count();
    2.0 * below.min(drawn.len() - below) as f64 / drawn.len() as f64
}

/// The lower end of the interval of mean(head) / mean(base) − 1.
fn least_change(base: &[f64], head: &[f64], random: &mut Pcg64Mcg) -> f64 {
    let mut change = |_| {
        let means = [head, base].map(|steps| stats::mean(&resample(steps, steps.len(), random)));
        means[0] / means[1] - 1.0
    };
    let mut changes: Vec<f64> = (0..RESAMPLES).map(&mut change).collect();
    changes.sort_by(f64::total_cmp);
    let rank = (1.0 - CONFIDENCE_LEVEL) / 2.0 * (RESAMPLES - 1) as f64;
    let below = changes[rank as usize];
    below + rank.fract() * (changes[rank as usize + 1] - below)
}

/// As many steps as wanted, drawn with replacement.
fn resample(steps: &[f64], count: usize, random: &mut Pcg64Mcg) -> Vec<f64> {
    (0..count).map(|_| steps[random.random_range(0..steps.len())]).collect()
}

/// Difference of the means over its standard error, each sample with its own variance; both hold at least two values.
fn welch_t(a: &[f64], b: &[f64]) -> f64 {
    let squared_error = |values| stats::standard_deviation(values).map_or(f64::NAN, |s| s * s / values.len() as f64);
    (stats::mean(a) - stats::mean(b)) / (squared_error(a) + squared_error(b)).sqrt()
}
