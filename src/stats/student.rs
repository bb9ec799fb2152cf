//! Student's t distribution.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The value below which a t-distributed one lies with `probability`; 0 < probability < 1.
pub fn t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    distribution(degrees_of_freedom).inverse_cdf(probability)
}

/// The probability that a t-distributed value lies below `t`, which may be infinite.
pub fn t_probability(t: f64, degrees_of_freedom: f64) -> f64 {
    distribution(degrees_of_freedom).cdf(t)
}

/// The probability of a t statistic beyond `distance / error`, one-sided; without any spread it is 0 or 1.
pub fn p_value(distance: f64, (error, degrees_of_freedom): (f64, f64)) -> f64 {
    match () {
        () if error > 0.0 => t_probability(-distance / error, degrees_of_freedom),
        () if distance > 0.0 => 0.0,
        () => 1.0,
    }
}

fn distribution(degrees_of_freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, degrees_of_freedom).expect("the degrees of freedom are positive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_published_ones() {
        for (degrees, published) in [(1.0, 12.706), (4.0, 2.776), (9.0, 2.262), (30.0, 2.042)] {
            assert!((t_quantile(0.975, degrees) - published).abs() < 5e-4, "{degrees}");
        }
    }

    #[test]
    fn quantiles_of_as_many_degrees_as_there_can_be_launches_are_near_the_normal_ones() {
        assert!((t_quantile(0.975, f64::from(u16::MAX)) - 1.96).abs() < 5e-4);
    }

    #[test]
    fn without_spread_a_distance_is_certain() {
        assert!((p_value(2.776, (1.0, 4.0)) - 0.025).abs() < 1e-4);
        assert_eq!([p_value(0.1, (0.0, 4.0)), p_value(0.0, (0.0, 4.0)), p_value(-0.1, (0.0, 4.0))], [0.0, 1.0, 1.0]);
    }

    #[test]
    fn probabilities_undo_quantiles_and_end_at_infinity() {
        assert!((t_probability(t_quantile(0.01, 5.0), 5.0) - 0.01).abs() < 1e-9);
        assert_eq!((t_probability(f64::NEG_INFINITY, 3.0), t_probability(f64::INFINITY, 3.0)), (0.0, 1.0));
    }
}
