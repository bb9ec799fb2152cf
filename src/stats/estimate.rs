//! A ratio of two arms from paired launches.

use serde::{Deserialize, Serialize};

use super::{mean, standard_deviation, t_quantile};

/// A point with the interval it lies in at a confidence of 95%.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The estimate.
    pub point: f64,
    /// The interval's ends; `None` where there are too few pairs for one.
    pub interval: Option<(f64, f64)>,
    /// Pairs behind it.
    pub pairs: usize,
    /// Standard deviation of the log-ratios between pairs; `None` below two pairs.
    pub log_deviation: Option<f64>,
}

/// The ratio whose logarithm was observed once per pair: exp of the mean log-ratio, with the paired-t interval.
///
/// Pairing takes out what both sides share (drift of the machine); the logarithm treats faster and slower alike.
/// `None` without a pair. Source: Kalibera & Jones, ISMM 2013; the t interval on d = ln a − ln b.
pub fn paired_ratio(log_ratios: &[f64]) -> Option<Estimate> {
    if log_ratios.is_empty() || log_ratios.iter().any(|log| !log.is_finite()) {
        return None;
    }
    let centre = mean(log_ratios);
    let log_deviation = standard_deviation(log_ratios);
    let interval = log_deviation.map(|deviation| {
        let half = t_quantile(0.975, (log_ratios.len() - 1) as f64) * deviation / (log_ratios.len() as f64).sqrt();
        ((centre - half).exp(), (centre + half).exp())
    });
    Some(Estimate { point: centre.exp(), interval, pairs: log_ratios.len(), log_deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worked_example() {
        // Log-ratios 0.1, 0.2, 0.3: mean 0.2, sd 0.1, half-width 4.3027 · 0.1 / √3 = 0.24842.
        let estimate = paired_ratio(&[0.1, 0.2, 0.3]).unwrap();
        assert!((estimate.point - 0.2f64.exp()).abs() < 1e-12);
        let (low, high) = estimate.interval.unwrap();
        assert!((low.ln() - (0.2 - 0.248_42)).abs() < 1e-4 && (high.ln() - (0.2 + 0.248_42)).abs() < 1e-4);
    }

    #[test]
    fn no_pair_no_estimate_and_one_pair_no_interval() {
        assert_eq!(paired_ratio(&[]), None);
        assert_eq!(paired_ratio(&[f64::NEG_INFINITY]), None);
        let one = paired_ratio(&[2f64.ln()]).unwrap();
        assert_eq!((one.point, one.interval), (2.0, None));
    }

    #[test]
    fn faster_and_slower_mirror_each_other_in_any_order() {
        let ratio = paired_ratio(&[-0.6, -0.7, -0.5]).unwrap();
        let turned = paired_ratio(&[0.5, 0.6, 0.7]).unwrap();
        assert!((ratio.point * turned.point - 1.0).abs() < 1e-12);
        let ((low, high), (turned_low, turned_high)) = (ratio.interval.unwrap(), turned.interval.unwrap());
        assert!((low * turned_high - 1.0).abs() < 1e-12 && (high * turned_low - 1.0).abs() < 1e-12);
    }
}
