//! Jobs drawn from all over a recording, made slower by arithmetic: what its few jobs in a row cannot tell.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use wanbench::config::Thresholds;

use crate::jobs::{Experiment, check};
use crate::simulation::engine::{Case, planned_launches};

/// Blocks in a row that a drawn job takes from one place: what neighbours have in common is kept.
pub const RUN: usize = 5;
/// Jobs that a share is of.
pub const JOBS: usize = 20_000;
/// Recordings drawn anew for an interval.
pub const RESAMPLED: usize = 200;
/// Jobs drawn from each of them.
const RESAMPLED_JOBS: usize = 500;

/// Shares of flagged jobs with the same slowdown.
pub struct Power {
    /// Of those drawn from the whole recording.
    pub all: f64,
    /// 95% interval, by how much it varies over recordings drawn anew.
    pub interval: (f64, f64),
    /// The least and the greatest share in any quarter of the recording.
    pub quarters: (f64, f64),
}

/// Jobs drawn from one recording.
pub struct Drawn<'a> {
    /// The recording's arms.
    pub experiment: &'a Experiment,
    /// How they are judged.
    pub gate: &'a Thresholds,
}

impl Drawn<'_> {
    /// Share of checks with an alarm about either backend where nothing is slower.
    pub fn false_alarms(&self) -> f64 {
        self.share(&self.starts(0..self.experiment.blocks), JOBS, |_| (), true)
    }

    /// Share of checks that flag the tracked backend, each of whose head launches `slower` makes longer.
    pub fn found(&self, slower: impl Fn(&mut [f64])) -> f64 {
        self.share(&self.starts(0..self.experiment.blocks), JOBS, slower, false)
    }

    /// The same, and how much it hangs on which blocks were recorded.
    pub fn power(&self, slower: impl Fn(&mut [f64])) -> Power {
        let blocks = self.experiment.blocks;
        let all = self.starts(0..blocks);
        let mut random = Pcg64::seed_from_u64(1);
        // Source: Künsch 1989, "The jackknife and the bootstrap for general stationary observations": blocks in a row.
        let mut resampled: Vec<f64> = (0..RESAMPLED)
            .map(|_| {
                let starts: Vec<usize> = (0..blocks / RUN).map(|_| all[random.random_range(0..all.len())]).collect();
                self.share(&starts, RESAMPLED_JOBS, &slower, false)
            })
            .collect();
        resampled.sort_by(f64::total_cmp);
        let tail = RESAMPLED / 40;
        let quarters = (0..4).map(|quarter| self.starts(quarter * blocks / 4..(quarter + 1) * blocks / 4));
        let quarters: Vec<f64> = quarters.map(|starts| self.share(&starts, JOBS / 4, &slower, false)).collect();
        Power {
            all: self.found(&slower),
            interval: (resampled[tail], resampled[RESAMPLED - 1 - tail]),
            quarters: quarters.iter().fold((1.0, 0.0), |(least, most), share| (share.min(least), share.max(most))),
        }
    }

    /// Where runs may begin that lie in these blocks.
    fn starts(&self, blocks: Range<usize>) -> Vec<usize> {
        (blocks.start..=blocks.end - RUN).collect()
    }

    /// Share of flagged ones among `jobs`, put together from runs that begin at `starts`.
    fn share(&self, starts: &[usize], jobs: usize, slower: impl Fn(&mut [f64]), either: bool) -> f64 {
        let launches = planned_launches(self.gate);
        let mut random = Pcg64::seed_from_u64(0);
        let is_flagged = |job: &usize| {
            let runs = (0..launches.div_ceil(RUN)).map(|_| starts[random.random_range(0..starts.len())]);
            let order: Vec<usize> = runs.flat_map(|start| start..start + RUN).take(launches).collect();
            let pick = |launches: &[Vec<f64>]| -> Vec<Vec<f64>> {
                order.iter().map(|block| launches[*block].clone()).collect()
            };
            let [mut tracked, other] = [&self.experiment.tracked[0], &self.experiment.other].map(|cases| {
                let Case { base, head } = &cases[job % cases.len()];
                Case { base: pick(base), head: pick(head) }
            });
            tracked.head.iter_mut().for_each(|launch| slower(launch));
            check(self.gate, tracked, other, either).0
        };
        (0..jobs).filter(is_flagged).count() as f64 / jobs as f64
    }
}
