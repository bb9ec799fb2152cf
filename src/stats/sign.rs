//! The sign test.

use statrs::distribution::{Binomial, DiscreteCDF};

/// The probability that at least `successes` of `trials` fall on one side where either side is as likely.
///
/// Source: Dixon & Mood 1946, "The statistical sign test".
pub fn sign_probability(successes: usize, trials: usize) -> f64 {
    match (successes.checked_sub(1), Binomial::new(0.5, trials as u64)) {
        (Some(below), Ok(binomial)) => binomial.sf(below as u64),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_probabilities() {
        for (successes, trials, of_1024) in [(10, 10, 1.0), (9, 10, 11.0), (8, 10, 56.0), (0, 10, 1024.0)] {
            assert!((sign_probability(successes, trials) - of_1024 / 1024.0).abs() < 1e-12, "{successes}");
        }
        assert_eq!(sign_probability(0, 0), 1.0);
    }
}
