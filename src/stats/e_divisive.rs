//! E-divisive with means: where the distribution of a series changes.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

/// How far rounding carries the statistic of values that only stand in another order, as a share of it.
const ROUNDING: f64 = 1e-9;

/// How change points are looked for.
#[derive(Clone, Copy, Debug)]
pub struct EDivisive {
    /// Values on either side of a change point, at least 1.
    pub least: usize,
    /// Random orders that a candidate is held against.
    pub permutations: usize,
    /// The largest probability with which a candidate of a series that does not change counts.
    pub significance: f64,
    /// Seed of the orders.
    pub seed: u64,
}

/// A place where a series changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// The first value that is different.
    pub index: usize,
    /// The scaled energy statistic Q.
    pub statistic: f64,
    /// The share of the random orders, this one among them, whose statistic is as large.
    pub probability: f64,
}

impl EDivisive {
    /// The change points of `values`, in the order in which they were found: the clearest one first.
    ///
    /// The series is split where the energy distance (exponent 1) between what is before and a stretch behind it is largest, and
    /// its parts again, as long as a permutation test within the parts finds the largest distance significant. It assumes that
    /// the values of a part can be exchanged: neighbours that resemble each other are taken for change points.
    ///
    /// Source: Matteson & James 2014, "A nonparametric approach for multiple change point analysis of multivariate data", JASA
    /// 109, 334–345. The test ends as soon as its outcome is certain.
    pub fn splits(&self, values: &[f64]) -> Vec<Split> {
        let mut rng = Pcg64Mcg::seed_from_u64(self.seed);
        let (mut ends, mut splits) = (vec![0, values.len()], Vec::new());
        while let Some((index, statistic)) = self.candidate(values, &ends) {
            let Some(probability) = self.probability(values, &ends, statistic, &mut rng) else { break };
            splits.push(Split { index, statistic, probability });
            ends.push(index);
            ends.sort_unstable();
        }
        splits
    }

    /// The share of orders with as large a statistic, if it is significant.
    fn probability(&self, values: &[f64], ends: &[usize], statistic: f64, rng: &mut Pcg64Mcg) -> Option<f64> {
        let orders = (self.permutations + 1) as f64;
        let mut as_large = 1;
        let mut permuted = values.to_vec();
        for _ in 0..self.permutations {
            if f64::from(as_large) / orders > self.significance {
                return None;
            }
            for part in ends.windows(2) {
                permuted[part[0]..part[1]].shuffle(rng);
            }
            let largest = self.candidate(&permuted, ends).map_or(0.0, |(_, statistic)| statistic);
            as_large += i32::from(largest >= statistic * (1.0 - ROUNDING));
        }
        Some(f64::from(as_large) / orders).filter(|share| *share <= self.significance)
    }

    /// The best split of any part, and its statistic; `None` where no part has values enough.
    fn candidate(&self, values: &[f64], ends: &[usize]) -> Option<(usize, f64)> {
        let of_part = |part: &[usize]| {
            let (index, statistic) = best_split(&values[part[0]..part[1]], self.least)?;
            Some((part[0] + index, statistic))
        };
        ends.windows(2).filter_map(of_part).max_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

/// The split of `values` with the largest statistic, whatever part of the values behind it that takes; `None` of fewer than
/// twice `least` values.
fn best_split(values: &[f64], least: usize) -> Option<(usize, f64)> {
    let within_first = within_beginnings(values);
    let mut best: Option<(usize, f64)> = None;
    // Sums of the distances of each value from those between the split and it.
    let mut from_split = vec![0.0; values.len()];
    for split in (1..values.len()).rev() {
        let mut within_second = 0.0;
        for end in split + 1..=values.len() {
            within_second += from_split[end - 1];
            if split >= least && end - split >= least {
                let between = within_first[end] - within_first[split] - within_second;
                let sizes = (split as f64, (end - split) as f64);
                let statistic = scaled_energy(between, (within_first[split], within_second), sizes);
                if best.is_none_or(|(_, largest)| statistic > largest) {
                    best = Some((split, statistic));
                }
            }
        }
        for value in split..values.len() {
            from_split[value] += (values[value] - values[split - 1]).abs();
        }
    }
    best
}

/// Q of two samples, from the sums of the distances between and within them.
fn scaled_energy(between: f64, (within_first, within_second): (f64, f64), (first, second): (f64, f64)) -> f64 {
    let all = first + second;
    // Of a single value nothing is within.
    let mean_within = |within: f64, size: f64| if size > 1.0 { within / (size - 1.0) } else { 0.0 };
    2.0 / all * (between - second * mean_within(within_first, first) - first * mean_within(within_second, second))
}

/// For each number of values from the beginning the sum of their distances from each other.
fn within_beginnings(values: &[f64]) -> Vec<f64> {
    let mut within = vec![0.0; values.len() + 1];
    for end in 0..values.len() {
        let added: f64 = values[..end].iter().map(|value| (values[end] - value).abs()).sum();
        within[end + 1] = within[end] + added;
    }
    within
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: EDivisive = EDivisive { least: 1, permutations: 199, significance: 0.01, seed: 1 };

    #[test]
    fn a_worked_example() {
        // Between 4·10, within 2·0 and 2·2 (1 each): Q = 2/4 · (40 − 2·0/1 − 2·2/1)
        let (index, statistic) = best_split(&[0.0, 0.0, 9.0, 11.0], 2).unwrap();
        assert_eq!(index, 2);
        assert!((statistic - 18.0).abs() < 1e-12, "{statistic}");
        assert_eq!(best_split(&[0.0, 1.0, 2.0], 2), None);
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        series: Vec<GoldenSeries>,
    }

    #[derive(serde::Deserialize)]
    struct GoldenSeries {
        name: String,
        values: Vec<f64>,
        first: GoldenSplit,
        change_points: Vec<usize>,
    }

    #[derive(serde::Deserialize)]
    struct GoldenSplit {
        index: usize,
        statistic: f64,
    }

    #[test]
    fn another_implementation_finds_the_same() {
        let golden = include_str!("../../tests/golden/change-points/series.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        assert_eq!(golden.series.len(), 6);
        for GoldenSeries { name, values, first, change_points } in golden.series {
            let (index, statistic) = best_split(&values, 1).unwrap();
            assert_eq!(index, first.index, "{name}");
            assert!((statistic / first.statistic - 1.0).abs() < 1e-9, "{name}: {statistic}");
            let mut found: Vec<usize> = FINE.splits(&values).iter().map(|split| split.index).collect();
            found.sort_unstable();
            assert_eq!(found, change_points, "{name}");
        }
    }

    #[test]
    fn levels_are_told_apart_and_one_level_has_none() {
        let noise = |index: usize| [0.1, -0.2, 0.3, 0.0, -0.1, 0.2, -0.3][index * 5 % 7];
        let level = |index: usize| [0.0, 2.0, 1.0][index / 20];
        let values: Vec<f64> = (0..60).map(|index| level(index) + noise(index)).collect();
        let mut found: Vec<usize> = FINE.splits(&values).iter().map(|split| split.index).collect();
        found.sort_unstable();
        assert_eq!(found, [20, 40]);
        assert_eq!(FINE.splits(&values[..20]), []);
        assert_eq!(FINE.splits(&[1.0; 50]), [], "what never changes");
        assert_eq!(FINE.splits(&[]), []);
    }
}
