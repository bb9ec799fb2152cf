//! Two shares beside each other.

use statrs::distribution::{DiscreteCDF, Hypergeometric};

/// The probability of `more` or more successes in the first of two samples of these sizes, given the successes of both
/// together, where both have the same true share; 1 where a sample is empty.
///
/// Source: Fisher's exact test, one-sided (Fisher 1935, "The logic of inductive inference").
pub fn fisher_more((more, of): (usize, usize), (less, of_less): (usize, usize)) -> f64 {
    if of == 0 || of_less == 0 || more == 0 {
        return 1.0;
    }
    let (all, successes) = ((of + of_less) as u64, (more + less) as u64);
    Hypergeometric::new(all, successes, of as u64).map_or(1.0, |distribution| distribution.sf(more as u64 - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_counted_values() {
        // Fisher's tea: 3 of 4 beside 1 of 4, one-sided 17/70.
        assert!((fisher_more((3, 4), (1, 4)) - 17.0 / 70.0).abs() < 1e-9);
        assert!((fisher_more((4, 4), (0, 4)) - 1.0 / 70.0).abs() < 1e-9);
        assert_eq!([fisher_more((0, 4), (2, 4)), fisher_more((0, 0), (0, 4))], [1.0, 1.0]);
    }
}
