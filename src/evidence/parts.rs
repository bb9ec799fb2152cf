//! Which part of a step moved, from a paired profile. Pure.
//!
//! As for whole steps, a process counts with the mean of its fastest quarter of passes, and a pair with its two processes'
//! difference. The parts are timed one by one, with the device synchronized after each, so that together they take longer than
//! a step. What a change adds to a part it adds to both: so it is differences in seconds that must agree.

use serde::Serialize;

use super::quantity::{Change, Seconds};
use crate::stats::{holm, mean, p_value, paired_ratio, quiet_mean, standard_deviation, t_quantile};
use crate::store::record::{KindSeconds, ProfiledPair, ProfiledPasses};
use crate::wan::work::PartKind;

/// Probability of naming any part that did not move.
const ALPHA: f64 = 0.05;
/// A part that moved by less than this share of what the step did is not what slowed it.
const LEAST_SHARE: f64 = 0.1;

/// How the parts of a step changed beside the base revision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartChanges {
    /// Pairs of processes behind it.
    pub pairs: usize,
    /// The pass as a step takes it.
    pub step: Shift,
    /// All parts together.
    pub sum: Shift,
    /// The parts in the order of computation.
    pub parts: Vec<PartChange>,
}

/// How one kind of parts changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PartChange {
    /// What they do.
    pub kind: PartKind,
    /// Whether they are in the blocks.
    pub in_blocks: bool,
    /// By how much.
    #[serde(flatten)]
    pub shift: Shift,
    /// Whether that is more than chance explains, and a good share of what the step changed by.
    pub has_moved: bool,
}

impl PartChange {
    /// In words. The camera has parts in the blocks and outside them.
    pub fn name(&self) -> &'static str {
        match (self.kind, self.in_blocks) {
            (PartKind::Camera, false) => "camera embedding",
            (kind, _) => kind.name(),
        }
    }
}

/// How a time changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// The base revision's time: the mean over the pairs.
    pub base: Seconds,
    /// Head's.
    pub head: Seconds,
    /// The change: the mean of the pairs' log-ratios; `None` where one of the two took no time.
    pub change: Option<Change>,
    /// Its interval at 95%; `None` for a single pair.
    pub interval: Option<(Change, Change)>,
    /// Head's time less the base revision's.
    pub difference: Seconds,
    /// Its interval at 95%; `None` for a single pair.
    pub difference_interval: Option<(Seconds, Seconds)>,
}

impl PartChanges {
    /// Of `pairs` of processes; `None` without one.
    pub fn of(pairs: &[ProfiledPair]) -> Option<Self> {
        let first = pairs.first()?;
        let times = |of: &dyn Fn(&ProfiledPasses) -> f64| -> Vec<Times> {
            pairs.iter().map(|pair| Times { head: of(&pair.head), base: of(&pair.base) }).collect()
        };
        let step = Shift::of(&times(&|passes| quiet_mean(&passes.step_seconds)));
        let of_part = |part: &KindSeconds| {
            let is_same = |other: &&KindSeconds| (other.kind, other.in_blocks) == (part.kind, part.in_blocks);
            times(&|passes| passes.parts.iter().find(is_same).map_or(0.0, |it| quiet_mean(&it.seconds)))
        };
        let of_parts: Vec<Vec<Times>> = first.head.parts.iter().map(of_part).collect();
        let significant = holm(&of_parts.iter().map(|times| p_unchanged(times)).collect::<Vec<_>>(), ALPHA);
        let parts = first.head.parts.iter().zip(of_parts).zip(significant).map(|((part, times), is_significant)| {
            let shift = Shift::of(&times);
            // In the step's direction: a part that became faster slowed nothing.
            let is_share = shift.difference.0 * step.difference.0.signum() >= LEAST_SHARE * step.difference.0.abs();
            PartChange { kind: part.kind, in_blocks: part.in_blocks, shift, has_moved: is_significant && is_share }
        });
        Some(Self { pairs: pairs.len(), step, sum: Shift::of(&times(&whole_pass)), parts: parts.collect() })
    }

    /// Whether the parts together changed as the step did, as far as the two are known.
    pub fn agree(&self) -> bool {
        match (self.sum.difference_interval, self.step.difference_interval) {
            (Some((sum_low, sum_high)), Some((step_low, step_high))) => sum_low <= step_high && step_low <= sum_high,
            _ => true,
        }
    }

    /// Whether the slowdown showed in the profile at all.
    pub fn is_slower(&self) -> bool {
        self.step.difference_interval.is_some_and(|(low, _)| low.0 > 0.0)
    }

    /// The parts that moved, the one that adds most time first.
    pub fn moved(&self) -> Vec<&PartChange> {
        let mut moved: Vec<&PartChange> = self.parts.iter().filter(|part| part.has_moved).collect();
        moved.sort_by(|a, b| b.shift.difference.0.abs().total_cmp(&a.shift.difference.0.abs()));
        moved
    }
}

/// The time of all parts of a pass: that of the fastest quarter of passes.
fn whole_pass(passes: &ProfiledPasses) -> f64 {
    let of_pass = |pass: usize| passes.parts.iter().filter_map(|part| part.seconds.get(pass)).sum();
    quiet_mean(&(0..passes.step_seconds.len()).map(of_pass).collect::<Vec<f64>>())
}

/// What something took in one pair, in seconds.
struct Times {
    head: f64,
    base: f64,
}

impl Times {
    fn difference(&self) -> f64 {
        self.head - self.base
    }
}

impl Shift {
    fn of(times: &[Times]) -> Self {
        let ratio = paired_ratio(&times.iter().map(|it| (it.head / it.base).ln()).collect::<Vec<_>>());
        let mean_of = |of: fn(&Times) -> f64| mean(&times.iter().map(of).collect::<Vec<_>>());
        let difference = mean_of(Times::difference);
        let half = error(times).map(|error| t_quantile(0.975, (times.len() - 1) as f64) * error);
        Self {
            base: Seconds(mean_of(|it| it.base)),
            head: Seconds(mean_of(|it| it.head)),
            change: ratio.map(|ratio| Change(ratio.point - 1.0)),
            interval: ratio.and_then(|ratio| ratio.interval).map(|(low, high)| (Change(low - 1.0), Change(high - 1.0))),
            difference: Seconds(difference),
            difference_interval: half.map(|half| (Seconds(difference - half), Seconds(difference + half))),
        }
    }
}

/// Standard error of the mean difference; `None` below two pairs.
fn error(times: &[Times]) -> Option<f64> {
    let differences: Vec<f64> = times.iter().map(Times::difference).collect();
    standard_deviation(&differences).map(|deviation| deviation / (times.len() as f64).sqrt())
}

/// The probability of a difference this large, in either direction, where nothing changed; 1 below two pairs.
fn p_unchanged(times: &[Times]) -> f64 {
    let difference = mean(&times.iter().map(Times::difference).collect::<Vec<_>>());
    let p = error(times).map(|error| 2.0 * p_value(difference.abs(), (error, (times.len() - 1) as f64)));
    p.unwrap_or(1.0).min(1.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `pairs` pairs of a step of 10 ms: attention 7 ms, FFN 3 ms. Head takes `slower` times as long for its FFN; each pair is off
    /// by a little of its own, in microseconds.
    pub(crate) fn pairs(pairs: usize, slower: f64) -> Vec<ProfiledPair> {
        let passes = |micros: f64, slower: f64| {
            let (attention, ffn) = (0.007 + 1e-6 * micros, 0.003 * slower - 0.5e-6 * micros);
            let part = |kind, in_blocks, seconds: f64| KindSeconds { kind, in_blocks, seconds: vec![seconds; 4] };
            ProfiledPasses {
                step_seconds: vec![attention + ffn; 4],
                parts: vec![part(PartKind::SelfAttention, true, attention), part(PartKind::FeedForward, true, ffn)],
            }
        };
        let micros = [3.0, -2.0, 1.0, -3.0, 2.0, -1.0];
        let pair = |index: usize| ProfiledPair {
            head: passes(micros[index % micros.len()], slower),
            base: passes(0.5 * micros[(index + 2) % micros.len()], 1.0),
        };
        (0..pairs).map(pair).collect()
    }

    #[test]
    fn the_part_that_moved_is_found_with_its_interval() {
        let changes = PartChanges::of(&pairs(6, 1.16)).unwrap();
        let [attention, ffn] = changes.parts.as_slice() else { panic!("{changes:?}") };
        assert!(!attention.has_moved && ffn.has_moved);
        assert_eq!(changes.moved(), [ffn]);
        let (low, high) = ffn.shift.interval.unwrap();
        assert!(low.0 < 0.16 && 0.16 < high.0 && high.0 - low.0 < 0.005, "{low:?} {high:?}");
        assert!((ffn.shift.difference.0 - 0.48e-3).abs() < 5e-6);
        let (low, high) = attention.shift.interval.unwrap();
        assert!(low.0 < 0.0 && 0.0 < high.0);
        assert!(changes.agree());
        assert!((changes.sum.difference.0 - changes.step.difference.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_change_no_part_is_named() {
        let changes = PartChanges::of(&pairs(6, 1.0)).unwrap();
        assert!(changes.moved().is_empty() && !changes.is_slower(), "{changes:?}");
    }

    #[test]
    fn a_part_that_became_faster_slowed_nothing() {
        let mut mixed = pairs(6, 1.16);
        for pair in &mut mixed {
            pair.head.parts[0].seconds.iter_mut().for_each(|seconds| *seconds -= 0.2e-3);
            pair.head.step_seconds.iter_mut().for_each(|seconds| *seconds -= 0.2e-3);
        }
        let changes = PartChanges::of(&mixed).unwrap();
        assert!(changes.is_slower());
        assert_eq!(changes.moved().iter().map(|part| part.name()).collect::<Vec<_>>(), ["FFN"]);
    }

    #[test]
    fn parts_are_compared_by_what_they_are_whatever_their_order() {
        let mut turned = pairs(6, 1.16);
        turned[1..].iter_mut().for_each(|pair| {
            pair.head.parts.reverse();
            pair.base.parts.reverse();
        });
        assert_eq!(PartChanges::of(&turned), PartChanges::of(&pairs(6, 1.16)));
    }

    #[test]
    fn one_pair_decides_nothing_and_none_is_nothing() {
        let changes = PartChanges::of(&pairs(1, 1.16)).unwrap();
        assert!(changes.moved().is_empty() && changes.agree());
        assert_eq!(changes.parts[1].shift.interval, None);
        assert_eq!(PartChanges::of(&[]), None);
    }

    #[test]
    fn parts_that_did_not_slow_down_with_the_step_do_not_agree() {
        let mut slower_step = pairs(6, 1.0);
        for pair in &mut slower_step {
            pair.head.step_seconds.iter_mut().for_each(|seconds| *seconds += 0.5e-3);
        }
        let changes = PartChanges::of(&slower_step).unwrap();
        assert!(!changes.agree() && changes.moved().is_empty());
    }

    #[test]
    fn a_part_that_took_no_time_has_a_difference_and_no_ratio() {
        let mut new = pairs(3, 1.0);
        new.iter_mut().for_each(|pair| pair.base.parts[1].seconds.fill(0.0));
        let changes = PartChanges::of(&new).unwrap();
        assert_eq!(changes.parts[1].shift.change, None);
        assert!((changes.parts[1].shift.difference.0 - 0.003).abs() < 1e-5);
    }
}
