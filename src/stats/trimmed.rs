//! A mean that a few wild values do not move.

use super::{mean, standard_deviation};

/// The mean of `values` without the `trimmed` least and the `trimmed` greatest, its standard error, and that error's degrees of
/// freedom; `None` where fewer than two values are left.
///
/// Source: Tukey & McLaughlin 1963; Yuen 1974, "The two-sample trimmed t for unequal population variances": the error comes
/// from the winsorized values, in which what is trimmed counts as the nearest value that is not.
pub fn trimmed_mean(values: &[f64], trimmed: usize) -> Option<(f64, f64, f64)> {
    let number = values.len();
    let kept = number.checked_sub(2 * trimmed).filter(|kept| *kept >= 2)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let inner = &sorted[trimmed..number - trimmed];
    let (least, most) = (inner[0], inner[kept - 1]);
    let winsorized: Vec<f64> = sorted.iter().map(|value| value.clamp(least, most)).collect();
    let share = kept as f64 / number as f64;
    let error = standard_deviation(&winsorized)? / (share * (number as f64).sqrt());
    Some((mean(inner), error, (kept - 1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        // Of 1, 2, 3, 4, 100 the middle three have mean 3; winsorized they are 2, 2, 3, 4, 4 with variance 1:
        // 1 / (0.6 · √5) = 0.745356.
        let (mean, error, degrees) = trimmed_mean(&[100.0, 2.0, 1.0, 4.0, 3.0], 1).unwrap();
        assert_eq!((mean, degrees), (3.0, 2.0));
        assert!((error - 0.745_356).abs() < 1e-6);
        assert_eq!(trimmed_mean(&[1.0, 2.0, 3.0], 1), None);
    }

    #[test]
    fn without_trimming_it_is_the_mean_with_its_standard_error() {
        let (mean, error, degrees) = trimmed_mean(&[1.0, 2.0, 3.0], 0).unwrap();
        assert_eq!((mean, degrees), (2.0, 2.0));
        assert!((error - 1.0 / 3f64.sqrt()).abs() < 1e-12);
    }
}
