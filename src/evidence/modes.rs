//! Launches of two kinds: fresh processes of one program of which some are slow as a whole.
//!
//! A framework that chooses a kernel when it starts may choose another one next time. Such launches are no noise around one
//! time: their share is a property of the program, and times are compared within a mode.

use crate::stats::{mean, standard_deviation};

/// The least gap between the two modes, as a ratio of times.
pub const LEAST_GAP: f64 = 1.25;
/// The least gap in standard deviations within the modes.
const LEAST_GAP_DEVIATIONS: f64 = 4.0;

/// The two modes of the launches of head and base.
#[derive(Clone, Debug, PartialEq)]
pub struct Modes {
    /// For each block whether head's launch and base's are in the slow mode.
    pub is_slow: Vec<[bool; 2]>,
    /// The slow mode's time over the fast one's.
    pub ratio: f64,
}

impl Modes {
    /// The modes of launches of head and base, given for each block as ln of their times; `None` where there is one mode only,
    /// or the two are the two programs.
    pub fn of(blocks: &[[f64; 2]]) -> Option<Self> {
        let mut all: Vec<f64> = blocks.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let (fast, slow) = all.split_at(gap(&all)?);
        let is_slow: Vec<[bool; 2]> = blocks.iter().map(|block| block.map(|log| log >= slow[0])).collect();
        let is_mixed = |arm: usize| is_slow.iter().any(|block| block[arm] != is_slow[0][arm]);
        (is_mixed(0) || is_mixed(1)).then(|| Self { ratio: (mean(slow) - mean(fast)).exp(), is_slow })
    }

    /// The slow launches of head and of base.
    pub fn slow(&self) -> [usize; 2] {
        [0, 1].map(|arm| self.is_slow.iter().filter(|block| block[arm]).count())
    }

    /// Whether both launches of a block are in the same mode.
    pub fn is_same(&self, block: usize) -> bool {
        self.is_slow[block][0] == self.is_slow[block][1]
    }
}

/// Of `pairs`, those whose launches are on the same side of the gap in `launches`, all as ln of their times; all of them where
/// there is no gap.
pub fn alike(pairs: &[[f64; 2]], launches: &[f64]) -> Vec<[f64; 2]> {
    let mut sorted = launches.to_vec();
    sorted.sort_by(f64::total_cmp);
    let slow = gap(&sorted).map(|above| sorted[above]);
    let is_alike = |pair: &&[f64; 2]| slow.is_none_or(|slow| (pair[0] >= slow) == (pair[1] >= slow));
    pairs.iter().filter(is_alike).copied().collect()
}

/// How many of the sorted values are below the widest gap, where that is wide enough to part two modes.
fn gap(sorted: &[f64]) -> Option<usize> {
    let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]).enumerate();
    let (last, gap) = gaps.max_by(|one, other| one.1.total_cmp(&other.1))?;
    let (fast, slow) = sorted.split_at(last + 1);
    let is_wide = gap >= LEAST_GAP.ln() && gap >= LEAST_GAP_DEVIATIONS * deviation_within(fast, slow);
    is_wide.then_some(last + 1)
}

/// The standard deviation within two groups.
fn deviation_within(one: &[f64], other: &[f64]) -> f64 {
    let squares = |group: &[f64]| standard_deviation(group).map_or(0.0, |it| it.powi(2) * (group.len() - 1) as f64);
    let degrees = (one.len() + other.len()).saturating_sub(2).max(1) as f64;
    ((squares(one) + squares(other)) / degrees).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(times: &[[f64; 2]]) -> Vec<[f64; 2]> {
        times.iter().map(|block| block.map(f64::ln)).collect()
    }

    #[test]
    fn slow_launches_of_a_program_are_a_mode() {
        let modes = Modes::of(&blocks(&[[1.0, 1.01], [2.1, 1.0], [1.02, 1.0], [2.08, 2.1]])).unwrap();
        assert_eq!((modes.slow(), modes.is_same(1), modes.is_same(3)), ([2, 1], false, true));
        assert!((modes.ratio - 2.09 / 1.006).abs() < 0.01, "{}", modes.ratio);
    }

    #[test]
    fn alike_are_the_launches_on_one_side_of_the_gap() {
        let [fast, slow] = [1.0f64.ln(), 2f64.ln()];
        let all = [fast, fast, fast, slow];
        assert_eq!(alike(&[[fast, fast], [slow, fast]], &all), [[fast, fast]]);
        assert_eq!(alike(&[[fast, 1.1f64.ln()]], &all[..3]).len(), 1);
    }

    #[test]
    fn two_programs_noise_and_a_drift_are_no_modes() {
        assert_eq!(Modes::of(&blocks(&[[2.0, 1.0], [2.1, 1.0], [2.0, 1.02]])), None, "head is slower in every launch");
        assert_eq!(Modes::of(&blocks(&[[1.0, 1.3], [1.6, 1.0], [1.9, 1.4], [1.2, 2.4]])), None, "a wide scatter");
        let ramp: Vec<[f64; 2]> = (0..10).map(|block| [1.0 + 0.03 * f64::from(block); 2]).collect();
        assert_eq!(Modes::of(&blocks(&ramp)), None);
        assert_eq!((Modes::of(&[]), Modes::of(&blocks(&[[1.0, 1.0]]))), (None, None));
    }
}
