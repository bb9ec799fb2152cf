//! Statistics: pure functions on slices, each citing its source.

mod deviation;
mod e_divisive;
mod estimate;
mod fisher;
mod holm;
mod sign;
mod student;
mod trimmed;
mod wilson;

pub use deviation::{deviation_factors, pooled_deviation};
pub use e_divisive::{EDivisive, Split};
pub use estimate::{Estimate, paired_ratio};
pub use fisher::fisher_more;
pub use holm::holm;
pub use sign::sign_probability;
pub use student::{p_value, t_probability, t_quantile};
pub use trimmed::trimmed_mean;
pub use wilson::wilson;

/// Median; the mean of the two middle values for an even count.
///
/// NaN for an empty slice: callers decide what no data means.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Median of values that are all there; `None` where one is not, or none is asked for.
pub fn median_of_all(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Option<Vec<f64>> = values.collect();
    values.filter(|values| !values.is_empty()).map(|values| median(&values))
}

/// Mean of the fastest quarter of `times`, at least one: what they take where nothing disturbs them.
///
/// A disturbance only ever adds time, and on a shared machine it adds to most steps a little and to some a lot, so that the
/// fast ones say most about the program. What it does not see, a slowdown that spares a quarter of the steps, the mean step
/// shows. NaN for an empty slice.
/// Source: Chen & Revels 2016, "Robust benchmarking in noisy environments", who take the minimum; a quarter of the steps is
/// steadier.
pub fn quiet_mean(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let fastest = &sorted[..times.len().div_ceil(4)];
    let mean = mean(fastest);
    // The sum is rounded, which can carry the mean of equal values beyond them.
    fastest.last().map_or(mean, |slowest| mean.clamp(fastest[0], *slowest))
}

/// Arithmetic mean; NaN for an empty slice.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample standard deviation with n − 1; `None` below two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() >= 2).then(|| (square / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        let of_all = |values: &[Option<f64>]| median_of_all(values.iter().copied());
        assert_eq!([of_all(&[Some(1.0), Some(3.0)]), of_all(&[Some(1.0), None]), of_all(&[])], [Some(2.0), None, None]);
    }

    #[test]
    fn the_fastest_quarter_is_counted_upwards() {
        assert_eq!(quiet_mean(&[9.0, 2.0, 1.0, 8.0, 7.0]), 1.5);
        assert_eq!(quiet_mean(&[3.0]), 3.0);
        // Six of these, added up and divided by six, are less than one.
        assert_eq!(quiet_mean(&[0.1; 24]), 0.1);
        assert!(quiet_mean(&[]).is_nan());
    }

    #[test]
    fn the_standard_deviation_needs_two_values() {
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
    }
}
