//! Jobs drawn from a recording, each a contiguous run of its blocks, and how often a rule flags them.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use wanbench::config::{Look, Thresholds};
use wanbench::evidence::figures::log_ratio;
use wanbench::evidence::pair;
use wanbench::gate::speed::{Decision, Question, answer};
use wanbench::stats;

use crate::recording::{EXTRA_PERCENT, Recording};
use crate::rules::{Job, Rule};

/// Launches of each arm in a job.
pub const LAUNCHES: usize = 10;

/// Blocks in a row that a drawn job takes from one place.
pub const RUN: usize = 5;

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

/// One comparison that the recording holds: two arms of the tracked backend.
struct Pair {
    base: Vec<Vec<f64>>,
    head: Vec<Vec<f64>>,
}

/// What is asked of the recording.
pub struct Experiment {
    /// For no extra work, then for each slowdown: the same launches once with each of the base arms.
    pairs: Vec<Vec<Pair>>,
    /// The other backend's arm and its repetition: the second question of a whole check.
    others: Vec<Pair>,
    blocks: usize,
}

impl Experiment {
    /// Of `recording`'s MLX arms, with PyTorch's beside them.
    pub fn new(recording: &Recording) -> Self {
        let swapped = |arms: &[usize]| {
            let pair =
                |base: usize, head: usize| Pair { base: recording.launches(base), head: recording.launches(head) };
            vec![pair(arms[0], arms[1]), pair(arms[1], arms[0])]
        };
        let bases = recording.arms("mlx", 0.0);
        let mut pairs = vec![swapped(&bases)];
        for extra in EXTRA_PERCENT {
            let head = recording.arms("mlx", extra)[0];
            let pair = |base: &usize| Pair { base: recording.launches(*base), head: recording.launches(head) };
            pairs.push(bases.iter().map(pair).collect());
        }
        Self { pairs, others: swapped(&recording.arms("torch", 0.0)), blocks: recording.blocks.len() }
    }

    /// What each slowdown really is: the mean over all blocks, as a share, with its standard error.
    pub fn realised(&self) -> Vec<(f64, f64)> {
        let realised = |(index, pairs): (usize, &Vec<Pair>)| {
            // Without extra work the second pair is the first one turned round.
            let pairs = &pairs[..if index == 0 { 1 } else { pairs.len() }];
            let values: Vec<f64> = pairs.iter().flat_map(|pair| log_ratios(&pair.base, &pair.head)).collect();
            let error = stats::standard_deviation(&values).unwrap_or(f64::NAN) / (self.blocks as f64).sqrt();
            (stats::mean(&values).exp_m1(), error)
        };
        self.pairs.iter().enumerate().map(realised).collect()
    }

    /// Standard deviation of a block's log-ratio without extra work, and its correlation with the next block's.
    pub fn noise(&self) -> (f64, f64) {
        let values = log_ratios(&self.pairs[0][0].base, &self.pairs[0][0].head);
        let mean = stats::mean(&values);
        let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (stats::standard_deviation(&values).unwrap_or(f64::NAN), products / squares)
    }

    /// Wanbench's own rule, `wanbench check --base`, and the launches it took on average.
    pub fn wanbench(&self, gate: &Thresholds) -> (Flagged, Vec<f64>) {
        let mut launches = Vec::new();
        let counts = self.pairs.iter().enumerate().map(|(index, pairs)| {
            let mut taken = Vec::new();
            let flagged = self.count(pairs, |start, number| {
                let (is_flagged, launches) = self.check(gate, &pairs[number], &self.others[number], start, index == 0);
                taken.push(launches as f64);
                is_flagged
            });
            launches.push(stats::mean(&taken));
            flagged
        });
        let counts = counts.collect();
        (self.flagged("wanbench check --base", counts), launches)
    }

    /// Share of checks with an alarm, of so many whose blocks are drawn from the whole recording, where neither backend has
    /// extra work, but the tracked one's head launches are made longer by the share `slower`: what the few jobs in a row
    /// cannot tell. Drawn are runs of [`RUN`] blocks, which keep what neighbours have in common.
    pub fn random_alarms(&self, gate: &Thresholds, jobs: usize, slower: f64) -> f64 {
        let mut random = Pcg64::seed_from_u64(0);
        let pick = |launches: &[Vec<f64>], order: &[usize]| -> Vec<Vec<f64>> {
            order.iter().map(|block| launches[*block].clone()).collect()
        };
        let is_alarm = |job: &usize| {
            let starts: Vec<usize> = (0..LAUNCHES / RUN).map(|_| random.random_range(0..=self.blocks - RUN)).collect();
            let order: Vec<usize> = starts.into_iter().flat_map(|start| start..start + RUN).collect();
            let [mut tracked, other] = [&self.pairs[0], &self.others].map(|pairs| {
                let Pair { base, head } = &pairs[job % pairs.len()];
                Pair { base: pick(base, &order), head: pick(head, &order) }
            });
            tracked.head.iter_mut().flatten().for_each(|step| *step *= 1.0 + slower);
            self.check(gate, &tracked, &other, 0, slower == 0.0).0
        };
        (0..jobs).filter(is_alarm).count() as f64 / jobs as f64
    }

    /// A rule of others.
    pub fn rival(&self, rule: &Rule) -> Flagged {
        let counts = self.pairs.iter().map(|pairs| {
            self.count(pairs, |start, number| {
                let Pair { base, head } = &pairs[number];
                let windows: Vec<Vec<&[f64]>> =
                    (1..self.blocks / LAUNCHES).rev().map(|back| self.window(base, start, back)).collect();
                let history: Vec<&[&[f64]]> = windows.iter().map(Vec::as_slice).collect();
                let (base, head) = (self.window(base, start, 0), self.window(head, start, 0));
                (rule.flags_slower)(&Job { base: &base, head: &head, history: &history })
            })
        });
        self.flagged(rule.name, counts.collect())
    }

    /// Every start of a contiguous job, with each of the base arms. A job's earlier jobs may lie behind the recording's
    /// end: time is taken as a circle.
    fn count(&self, pairs: &[Pair], mut flags: impl FnMut(usize, usize) -> bool) -> (usize, usize) {
        let mut flagged = 0;
        let starts = self.blocks + 1 - LAUNCHES;
        for number in 0..pairs.len() {
            flagged += (0..starts).filter(|start| flags(*start, number)).count();
        }
        (flagged, starts * pairs.len())
    }

    fn flagged(&self, name: &str, counts: Vec<(usize, usize)>) -> Flagged {
        Flagged { name: name.to_owned(), counts, disjoint: self.blocks / LAUNCHES }
    }

    /// The launches of the job that is `back` jobs before the one at `start`.
    fn window<'a>(&self, launches: &'a [Vec<f64>], start: usize, back: usize) -> Vec<&'a [f64]> {
        let first = start + (self.blocks / LAUNCHES + 1) * self.blocks - back * LAUNCHES;
        (0..LAUNCHES).map(|offset| launches[(first + offset) % self.blocks].as_slice()).collect()
    }

    /// Both backends' questions, as a check asks them; without extra work an alarm about either is a false one.
    fn check(&self, gate: &Thresholds, tracked: &Pair, other: &Pair, start: usize, either: bool) -> (bool, usize) {
        let job = start..start + LAUNCHES;
        let questions = |pair: &Pair| {
            let launches = pair.head[job.clone()].iter().zip(&pair.base[job.clone()]);
            let pairs: Vec<_> = launches.map(|(head, base)| pair::Pair::of_steps(head, base)).collect();
            Question::beside_base(&pairs, gate)
        };
        let looks: Vec<Look> = gate.looks(LAUNCHES, LAUNCHES);
        let all = [questions(tracked), questions(other)].concat();
        let answers = answer(&all, &looks, gate.last_look(LAUNCHES));
        let asked = if either { &answers[..] } else { &answers[..all.len() / 2] };
        let launches = answers.iter().map(|answer| answer.launches).max().unwrap_or(0);
        (asked.iter().any(|answer| answer.decision == Decision::Slower), launches)
    }
}

/// ln(head / base) by block, as `wanbench` takes it.
fn log_ratios(base: &[Vec<f64>], head: &[Vec<f64>]) -> Vec<f64> {
    base.iter().zip(head).map(|(base, head)| log_ratio(head, base)).collect()
}
