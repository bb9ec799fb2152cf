//! Standard deviations of several groups, and how sure they are.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::standard_deviation;

/// The standard deviation within groups whose means differ: the root of the groups' variances, weighted by their degrees
/// of freedom. `None` where no group has two values.
pub fn pooled_deviation<'a>(groups: impl IntoIterator<Item = &'a [f64]>) -> Option<f64> {
    let (mut squares, mut degrees) = (0.0, 0.0);
    for group in groups {
        if let Some(deviation) = standard_deviation(group) {
            let own = (group.len() - 1) as f64;
            squares += own * deviation.powi(2);
            degrees += own;
        }
    }
    (degrees > 0.0).then(|| (squares / degrees).sqrt())
}

/// What a standard deviation of normal values is multiplied by for the ends of its 95% interval; at least one degree of
/// freedom.
///
/// Source: the chi-squared distribution of (n − 1)·s²/σ², as in any textbook.
pub fn deviation_factors(degrees_of_freedom: f64) -> (f64, f64) {
    let squares = ChiSquared::new(degrees_of_freedom).expect("the degrees of freedom are positive");
    let factor = |probability| (degrees_of_freedom / squares.inverse_cdf(probability)).sqrt();
    (factor(0.975), factor(0.025))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_mean_is_no_noise_and_its_size_is_its_weight() {
        // Variances 2 with one degree of freedom and 1 with two: (2 + 2) / 3.
        let groups: [&[f64]; 4] = [&[1.0, 3.0], &[100.0, 101.0, 102.0], &[7.0], &[]];
        assert!((pooled_deviation(groups).unwrap() - (4.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(pooled_deviation([&[7.0][..]]), None);
    }

    #[test]
    fn factors_are_the_published_ones() {
        // Chi-squared with 4 degrees of freedom: 2.5% below 0.4844, 97.5% below 11.1433.
        let (low, high) = deviation_factors(4.0);
        assert!((low - (4.0f64 / 11.1433).sqrt()).abs() < 1e-4 && (high - (4.0f64 / 0.4844).sqrt()).abs() < 1e-3);
    }
}
