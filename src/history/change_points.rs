//! Where a series changed its level, at once or little by little. Pure.

use std::ops::RangeInclusive;

use serde::Serialize;

use crate::stats::{EDivisive, mean};

/// How the levels are told apart. Five runs on either side: one that was disturbed is no level.
const METHOD: EDivisive = EDivisive { least: 5, permutations: 399, significance: 0.005, seed: 0 };

/// Runs that are looked at, the latest ones: the work grows with their square.
const MOST_RUNS: usize = 500;

/// The least difference of two levels that is told, as a log-ratio.
const LEAST_CHANGE: f64 = 0.005;

/// By how much the squared error may exceed the least one, in variances, where a change may have begun with 95% confidence.
///
/// Source: Hansen 2000, "Sample splitting and threshold estimation", Econometrica 68, 575–603, table I.
const CONFIDENCE: f64 = 7.35;

/// A change of a series' level.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// Whether it came at once.
    pub kind: ShiftKind,
    /// The first run that is different, as far as can be told.
    pub first: usize,
    /// The runs that can be the first one that is different, with 95% confidence. `first` is one of them.
    pub began: RangeInclusive<usize>,
    /// The first run at the new level; of a step `first`.
    pub reached: usize,
    /// The new level over the old one, as a log-ratio.
    pub log_ratio: f64,
    /// How probable as clear a change is in runs that do not change.
    pub probability: f64,
}

/// How a level changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftKind {
    /// From one run to the next.
    Step,
    /// Over several runs.
    Drift,
}

/// A place where the level changes, with the probability that it does so by chance.
type Place = (usize, f64);

/// The changes of `logs`, logarithms of a series' values, oldest first.
///
/// E-divisive finds the places; differences below half a percent are dropped. Steps that follow each other in one direction
/// are one drift where a straight line between two levels explains them better (Schwarz 1978, "Estimating the dimension of a
/// model": the lower BIC).
pub fn shifts(logs: &[f64]) -> Vec<Shift> {
    let skipped = logs.len().saturating_sub(MOST_RUNS);
    let logs = &logs[skipped..];
    let found = METHOD.splits(logs);
    let mut places: Vec<Place> = found.iter().map(|split| (split.index, split.probability)).collect();
    places.sort_by_key(|(index, _)| *index);
    drop_small(logs, &mut places);
    let groups = places.chunk_by(|one, other| rises(logs, &places, one.0) == rises(logs, &places, other.0));
    let mut shifts: Vec<Shift> = groups.flat_map(|group| of_group(logs, &places, group)).collect();
    for shift in &mut shifts {
        shift.first += skipped;
        shift.reached += skipped;
        shift.began = shift.began.start() + skipped..=shift.began.end() + skipped;
    }
    shifts
}

/// Drops the place with the least difference until all differ enough.
fn drop_small(logs: &[f64], places: &mut Vec<Place>) {
    while let Some((least, difference)) = (0..places.len())
        .map(|place| (place, difference(logs, places, places[place].0).abs()))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))
        && difference < LEAST_CHANGE
    {
        places.remove(least);
    }
}

/// The places next to `index`, or the series' ends.
fn around(logs: &[f64], places: &[Place], index: usize) -> (usize, usize) {
    let before = places.iter().map(|(place, _)| *place).filter(|place| *place < index).max();
    let after = places.iter().map(|(place, _)| *place).filter(|place| *place > index).min();
    (before.unwrap_or(0), after.unwrap_or(logs.len()))
}

/// The level behind `index` less that before it.
fn difference(logs: &[f64], places: &[Place], index: usize) -> f64 {
    let (start, end) = around(logs, places, index);
    mean(&logs[index..end]) - mean(&logs[start..index])
}

fn rises(logs: &[f64], places: &[Place], index: usize) -> bool {
    difference(logs, places, index) > 0.0
}

/// One drift, or a step at each place of the `group`.
fn of_group(logs: &[f64], places: &[Place], group: &[Place]) -> Vec<Shift> {
    let start = around(logs, places, group[0].0).0;
    let end = around(logs, places, group[group.len() - 1].0).1;
    let part = &logs[start..end];
    let ends: Vec<usize> = [start].into_iter().chain(group.iter().map(|place| place.0)).chain([end]).collect();
    let of_steps: f64 = ends.windows(2).map(|level| squared_error(&logs[level[0]..level[1]])).sum();
    let ramps = Ramps::new(part);
    let ramp = ramps.best();
    let runs = part.len() as f64;
    // Of each step a level and a place, and the first level.
    let bic = |error: f64, parameters: usize| runs * (error / runs).max(1e-18).ln() + parameters as f64 * runs.ln();
    if bic(ramp.error, PARAMETERS) < bic(of_steps, 2 * group.len() + 1) && ramp.reached > ramp.first {
        let probability = group.iter().map(|place| place.1).fold(1.0, f64::min);
        return vec![Shift {
            kind: ShiftKind::Drift,
            first: start + ramp.first,
            began: ramps.beginnings(ramp.first, start),
            reached: start + ramp.reached,
            log_ratio: ramp.rise,
            probability,
        }];
    }
    group.iter().map(|place| step(logs, places, *place)).collect()
}

/// A step, which also may be a drift that was too short or too small to be told from one.
fn step(logs: &[f64], places: &[Place], (index, probability): Place) -> Shift {
    let (start, end) = around(logs, places, index);
    Shift {
        kind: ShiftKind::Step,
        first: index,
        began: Ramps::new(&logs[start..end]).beginnings(index - start, start),
        reached: index,
        log_ratio: difference(logs, places, index),
        probability,
    }
}

/// The sum of the squared distances from the mean.
fn squared_error(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Fits of two levels with a straight line between them.
struct Ramps {
    /// Sums of the values before each, and of their products with their place.
    sums: Vec<f64>,
    moments: Vec<f64>,
    /// The sum of the squared distances from the mean.
    total: f64,
}

/// Of such a fit: two levels and two places.
const PARAMETERS: usize = 4;

/// A fit: level up to `first`, then even steps up to `reached`, then level.
#[derive(Clone, Copy)]
struct Ramp {
    first: usize,
    reached: usize,
    rise: f64,
    error: f64,
}

impl Ramps {
    fn new(values: &[f64]) -> Self {
        // Small numbers lose less to rounding.
        let mean = mean(values);
        let (mut sums, mut moments) = (vec![0.0], vec![0.0]);
        for (place, value) in values.iter().enumerate() {
            sums.push(sums[place] + (value - mean));
            moments.push(moments[place] + (value - mean) * place as f64);
        }
        Self { sums, moments, total: squared_error(values) }
    }

    fn runs(&self) -> usize {
        self.sums.len() - 1
    }

    fn best(&self) -> Ramp {
        let all = (1..self.runs()).map(|first| self.best_from(first));
        all.min_by(|one, other| one.error.total_cmp(&other.error)).expect("there are runs on either side of a place")
    }

    /// The runs at which the change can have begun, `first` among them, as if `start` others came before them all.
    fn beginnings(&self, first: usize, start: usize) -> RangeInclusive<usize> {
        let least = self.best().error;
        let most = least + CONFIDENCE * least / (self.runs() as f64 - PARAMETERS as f64).max(1.0);
        let possible = (1..self.runs()).filter(|first| self.best_from(*first).error <= most);
        let (low, high) = possible.fold((first, first), |(low, high), run| (low.min(run), high.max(run)));
        start + low..=start + high
    }

    fn best_from(&self, first: usize) -> Ramp {
        let all = (first..self.runs()).map(|reached| self.fit(first, reached));
        all.min_by(|one, other| one.error.total_cmp(&other.error)).expect("`first` is one of the runs")
    }

    /// Least squares of the values over weights of 0 before `first`, 1 from `reached` on and even steps between.
    fn fit(&self, first: usize, reached: usize) -> Ramp {
        let (runs, steps) = (self.runs() as f64, (reached - first + 1) as f64);
        let behind = (self.runs() - reached - 1) as f64;
        let weights = (steps + 1.0) / 2.0 + behind;
        let squares = (steps + 1.0) * (2.0 * steps + 1.0) / (6.0 * steps) + behind;
        let sum = |start: usize, end: usize| self.sums[end] - self.sums[start];
        let moment = self.moments[reached + 1] - self.moments[first];
        let on_the_way = moment - (first as f64 - 1.0) * sum(first, reached + 1);
        let products = on_the_way / steps + sum(reached + 1, self.runs());
        // The values' mean is 0.
        let spread = squares - weights * weights / runs;
        let rise = products / spread;
        Ramp { first, reached, rise, error: (self.total - rise * products).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// So many runs whose log is `level` and noise of 1%.
    fn noisy(runs: usize, seed: u64, level: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
        (0..runs).map(|run| level(run) + 0.01 * noise()).collect()
    }

    /// 2% over the 50 runs from the 50th on.
    fn drifting(run: usize) -> f64 {
        0.02 * ((run as f64 - 49.0) / 50.0).clamp(0.0, 1.0)
    }

    #[test]
    fn a_step_is_at_its_run_with_its_size() {
        let found = shifts(&noisy(60, 1, |run| if run < 40 { 0.0 } else { 0.05 }));
        let [step] = &found[..] else { panic!("{found:?}") };
        assert_eq!((step.kind, step.first, step.reached), (ShiftKind::Step, 40, 40));
        assert!((step.log_ratio - 0.05).abs() < 0.01 && step.probability <= 0.005, "{step:?}");
        assert!(step.began.contains(&40) && step.began.end() - step.began.start() <= 8, "{step:?}");
    }

    #[test]
    fn what_is_beyond_the_latest_runs_is_not_looked_at_and_places_are_counted_from_the_first() {
        let found = shifts(&noisy(550, 1, |run| {
            if run < 20 {
                0.2
            } else if run < 530 {
                0.0
            } else {
                0.05
            }
        }));
        assert_eq!(found.iter().map(|shift| shift.first).collect::<Vec<_>>(), [530]);
    }

    #[test]
    fn single_disturbed_runs_and_tiny_steps_are_no_change() {
        let disturbed = noisy(60, 1, |run| if [20, 41, 59].contains(&run) { 0.3 } else { 0.0 });
        assert_eq!(shifts(&disturbed), []);
        assert_eq!(shifts(&(0..60).map(|run| if run < 30 { 0.0 } else { 0.004 }).collect::<Vec<_>>()), []);
        let bytes: Vec<f64> = (0..60).map(|run| if run < 30 { 0.0 } else { 0.01 }).collect();
        assert_eq!(shifts(&bytes).iter().map(|shift| shift.began.clone()).collect::<Vec<_>>(), [30..=30]);
        assert_eq!(shifts(&[]), []);
    }

    #[test]
    fn runs_that_do_not_change_have_hardly_a_change_point() {
        // One in 200 is the method's own error; 3 of 60 would be more than that in 99.5% of cases.
        let found: usize = (0..60).map(|seed| shifts(&noisy(100, seed, |_| 0.0)).len()).sum();
        assert!(found <= 2, "{found} of 60 series");
    }

    #[test]
    fn a_slow_drift_is_told_before_it_is_over_with_where_it_began() {
        let (mut told, mut covered) = (0, 0);
        for seed in 0..10 {
            let found = shifts(&noisy(96, seed, drifting));
            told += usize::from(found.first().is_some_and(|shift| shift.log_ratio > 0.0));
            let whole = shifts(&noisy(150, seed, drifting));
            covered += usize::from(whole.first().is_some_and(|shift| shift.began.contains(&50)));
            let size: f64 = whole.iter().map(|shift| shift.log_ratio).sum();
            assert!((size - 0.02).abs() < 0.01, "{whole:?}");
        }
        // Of 40 there are 36 and 39.
        assert!(told >= 8 && covered >= 9, "{told} told within 46 runs, {covered} began where they did, of 10");
    }

    #[test]
    fn a_long_drift_is_told_from_a_step() {
        let found = shifts(&noisy(150, 1, |run| 5.0 * drifting(run)));
        let [drift] = &found[..] else { panic!("{found:?}") };
        assert_eq!(drift.kind, ShiftKind::Drift);
        assert!(
            drift.began.contains(&50) && drift.first.abs_diff(50) < 10 && drift.reached.abs_diff(99) < 10,
            "{drift:?}"
        );
    }

    #[test]
    fn a_ramp_is_fitted_exactly() {
        let values: Vec<f64> = (0..40).map(|run| ((run as f64 - 9.0) / 10.0).clamp(0.0, 1.0)).collect();
        let ramp = Ramps::new(&values).best();
        assert_eq!((ramp.first, ramp.reached), (10, 19));
        assert!((ramp.rise - 1.0).abs() < 1e-9 && ramp.error < 1e-9, "{} {}", ramp.rise, ramp.error);
    }
}
