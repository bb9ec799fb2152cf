//! Jobs of a recording, each a contiguous run of its blocks, and how often a rule flags them.

use anyhow::{Result, ensure};
use wanbench::config::Thresholds;
use wanbench::stats;

use crate::recording::{EXTRA_PERCENT, Recording};
use crate::rules::LAUNCHES as RIVAL_LAUNCHES;
use crate::rules::{Job, Rule};
use crate::simulation::engine::{Case, Decision, engine, log_ratios, planned_launches};

/// Shares of jobs that a rule flags as slower.
#[derive(Clone, Debug)]
pub struct Flagged {
    /// The rule.
    pub name: String,
    /// For no extra work, then for each slowdown, as [`Experiment::realised`]: jobs flagged, of how many.
    pub counts: Vec<(usize, usize)>,
    /// Jobs of the recording that share no block: what an interval may count as independent.
    pub disjoint: usize,
}

/// What is asked of a recording: comparisons of two of its arms, each over all blocks.
pub struct Experiment {
    /// The tracked backend, for no extra work, then for each slowdown: the same head once with each of the base arms.
    pub tracked: Vec<Vec<Case>>,
    /// The other backend's arm and its repetition: the second case of a whole check.
    pub other: Vec<Case>,
    /// How many blocks there are.
    pub blocks: usize,
}

impl Experiment {
    /// Of `recording`'s MLX arms, with PyTorch's beside them.
    pub fn new(recording: &Recording, gate: &Thresholds) -> Result<Self> {
        let blocks = recording.blocks.len();
        let needed = planned_launches(gate).max(RIVAL_LAUNCHES);
        ensure!(blocks >= needed, "the recording has {blocks} blocks, and one job takes {needed}");
        let case = |base: usize, head: usize| Case { base: recording.launches(base), head: recording.launches(head) };
        let swapped = |arms: &[usize]| vec![case(arms[0], arms[1]), case(arms[1], arms[0])];
        let bases = recording.arms("mlx", 0.0);
        let mut tracked = vec![swapped(&bases)];
        for extra in EXTRA_PERCENT {
            let head = recording.arms("mlx", extra)[0];
            tracked.push(bases.iter().map(|base| case(*base, head)).collect());
        }
        Ok(Self { tracked, other: swapped(&recording.arms("torch", 0.0)), blocks })
    }

    /// What each slowdown really is: the mean over all blocks, as a share, with its standard error.
    pub fn realised(&self) -> Vec<(f64, f64)> {
        let realised = |(index, cases): (usize, &Vec<Case>)| {
            // Without extra work the second case is the first one turned round.
            let cases = &cases[..if index == 0 { 1 } else { cases.len() }];
            let values: Vec<f64> = cases.iter().flat_map(log_ratios).collect();
            let error = stats::standard_deviation(&values).unwrap_or(f64::NAN) / (self.blocks as f64).sqrt();
            (stats::mean(&values).exp_m1(), error)
        };
        self.tracked.iter().enumerate().map(realised).collect()
    }

    /// Standard deviation of a block's log-ratio without extra work, and its correlation with the next block's.
    pub fn noise(&self) -> (f64, f64) {
        let values = log_ratios(&self.tracked[0][0]);
        let mean = stats::mean(&values);
        let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (stats::standard_deviation(&values).unwrap_or(f64::NAN), products / squares)
    }

    /// Wanbench's own rule, and the launches that the tracked case took on average.
    pub fn wanbench(&self, gate: &Thresholds) -> (Flagged, Vec<f64>) {
        let planned = planned_launches(gate);
        let mut launches = Vec::new();
        let counts = self.tracked.iter().enumerate().map(|(index, cases)| {
            let mut taken = Vec::new();
            let counts = self.count(planned, |start, number| {
                let job = |case: &Case| Case {
                    base: case.base[start..start + planned].to_vec(),
                    head: case.head[start..start + planned].to_vec(),
                };
                let (is_flagged, launches) = check(gate, job(&cases[number]), job(&self.other[number]), index == 0);
                taken.push(launches as f64);
                is_flagged
            });
            launches.push(stats::mean(&taken));
            counts
        });
        let counts = counts.collect();
        (Flagged { name: "wanbench check --base".to_owned(), counts, disjoint: self.blocks / planned }, launches)
    }

    /// A rule of others.
    pub fn rival(&self, rule: &Rule) -> Flagged {
        let counts = self.tracked.iter().map(|cases| {
            self.count(RIVAL_LAUNCHES, |start, number| {
                let Case { base, head } = &cases[number];
                let windows: Vec<Vec<&[f64]>> =
                    (1..self.blocks / RIVAL_LAUNCHES).rev().map(|back| self.window(base, start, back)).collect();
                let history: Vec<&[&[f64]]> = windows.iter().map(Vec::as_slice).collect();
                let (base, head) = (self.window(base, start, 0), self.window(head, start, 0));
                (rule.flags_slower)(&Job { base: &base, head: &head, history: &history })
            })
        });
        Flagged { name: rule.name.to_owned(), counts: counts.collect(), disjoint: self.blocks / RIVAL_LAUNCHES }
    }

    /// Every start of a contiguous job of so many launches, with each of the base arms. A job's earlier jobs may lie behind
    /// the recording's end: time is taken as a circle.
    fn count(&self, launches: usize, mut flags: impl FnMut(usize, usize) -> bool) -> (usize, usize) {
        let mut flagged = 0;
        let starts = self.blocks + 1 - launches;
        let base_arms = self.tracked[0].len();
        for number in 0..base_arms {
            flagged += (0..starts).filter(|start| flags(*start, number)).count();
        }
        (flagged, starts * base_arms)
    }

    /// The launches of the job that is `back` jobs before the one at `start`.
    fn window<'a>(&self, launches: &'a [Vec<f64>], start: usize, back: usize) -> Vec<&'a [f64]> {
        let first = start + (self.blocks / RIVAL_LAUNCHES + 1) * self.blocks - back * RIVAL_LAUNCHES;
        (0..RIVAL_LAUNCHES).map(|offset| launches[(first + offset) % self.blocks].as_slice()).collect()
    }
}

/// Judges both backends' cases, as a check does: whether the tracked one is flagged, or `either` of them, which without
/// extra work is a false alarm; and the launches that the tracked one took.
pub fn check(gate: &Thresholds, tracked: Case, other: Case, either: bool) -> (bool, usize) {
    let results = engine(&[tracked, other], gate);
    let asked = if either { &results[..] } else { &results[..1] };
    (asked.iter().any(|result| result.decision == Decision::Slower), results[0].launches)
}
