//! Many tests at once.

/// Which hypotheses to reject so that the probability of any false rejection is at most `alpha`, whatever the tests'
/// dependence.
///
/// Source: Holm 1979, "A simple sequentially rejective multiple test procedure": the smallest p against alpha / m, the
/// next against alpha / (m − 1), until one is not rejected.
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut rejected = vec![false; p_values.len()];
    for (rank, index) in order.into_iter().enumerate() {
        if p_values[index] > alpha / (p_values.len() - rank) as f64 {
            break;
        }
        rejected[index] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        // Against .05/4, .05/3, .05/2, .05/1 in ascending order: .005 and .01 pass, .03 does not, so .04 is not asked.
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
    }

    #[test]
    fn one_test_is_not_corrected_and_none_is_no_panic() {
        assert_eq!(holm(&[0.05], 0.05), [true]);
        assert!(holm(&[], 0.05).is_empty());
    }
}
