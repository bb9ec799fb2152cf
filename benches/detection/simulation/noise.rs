//! Simulated launches: the noise of machines that are noisy in a known way.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal, StudentT};
use rand_pcg::Pcg64;
use wanbench::stats;

use super::engine::{Case, log_ratios};

/// Timed steps of a launch.
pub const STEPS: usize = 8;
/// Blocks that tell how far the log-ratios spread.
pub const CALIBRATION_BLOCKS: usize = 20_000;
/// Launches over which a machine heats up; then it stays hot.
pub const RAMP_LAUNCHES: usize = 10;

/// How much slower the machine is when it is hot.
const RAMP: f64 = 0.3;
/// How often a step of a launch stalls, and how many times as long it takes then.
const STALLS: (f64, f64) = (0.1, 5.0);
/// How many times as long a slow launch takes.
const SLOW: f64 = 2.0;
/// What a coarse clock rounds to, in steps.
const TICK: f64 = 0.05;
/// The size of a launch's effect in the calibration: so small that logarithms are linear.
const SMALL: f64 = 1e-3;

/// What the noise is like beyond its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Independent normal effects.
    Plain,
    /// A block's log-ratio has this correlation with the next block's.
    Correlated(f64),
    /// A launch's effect has a t distribution with three degrees of freedom.
    HeavyTails,
    /// This share of all launches, of head and base alike, is slow.
    SlowLaunches(f64),
    /// The machine heats up, under both arms alike.
    Ramp,
    /// Single steps stall.
    Stalls,
    /// The clock is coarse, and no step is a whole number of its ticks.
    CoarseClock,
}

/// The noise of one machine.
pub struct Noise {
    kind: Kind,
    /// Standard deviation of a launch's effect on all its steps, and of a step's own.
    scale: f64,
    /// Correlation of a launch's effect with that of the arm's next launch.
    correlation: f64,
}

impl Noise {
    /// Such that an undisturbed block's log-ratio has this standard deviation; `spread` is what [`spread`] returned.
    pub fn new(kind: Kind, deviation: f64, spread: f64) -> Self {
        // Of the log-ratio's variance the two launches' effects are a share of 2 / spread²; the rest is not correlated.
        let correlation =
            if let Kind::Correlated(correlation) = kind { correlation * spread.powi(2) / 2.0 } else { 0.0 };
        Self { kind, scale: deviation / spread, correlation }
    }

    /// A case's launches where nothing changed, in steps of about a second.
    pub fn case(&self, launches: usize, random: &mut Pcg64) -> Case {
        let level = random.random_range(1.0..1.0 + TICK);
        let [base, head] = [0, 1].map(|arm| self.launches(launches, arm, level, random));
        Case { base, head }
    }

    /// What is seen of a case where every step of head takes longer by the share `slower`.
    pub fn seen(&self, case: &Case, slower: f64) -> Case {
        let mut seen = case.clone();
        seen.head.iter_mut().flatten().for_each(|step| *step *= 1.0 + slower);
        if self.kind == Kind::CoarseClock {
            seen.base.iter_mut().chain(&mut seen.head).flatten().for_each(|step| *step = (*step / TICK).round() * TICK);
        }
        seen
    }

    fn launches(&self, launches: usize, arm: usize, level: f64, random: &mut Pcg64) -> Vec<Vec<f64>> {
        let mut effect = self.effect(random);
        let launch = |block: usize| {
            if block > 0 {
                effect = self.correlation * effect + (1.0 - self.correlation.powi(2)).sqrt() * self.effect(random);
            }
            let is_slow = matches!(self.kind, Kind::SlowLaunches(share) if random.random_bool(share));
            let launch = level * (self.scale * effect).exp() * if is_slow { SLOW } else { 1.0 };
            let mut steps: Vec<f64> = (0..STEPS)
                .map(|step| {
                    let own: f64 = StandardNormal.sample(random);
                    launch * (self.scale * own).exp() * self.heat(block, step, arm)
                })
                .collect();
            if self.kind == Kind::Stalls && random.random_bool(STALLS.0) {
                steps[random.random_range(0..STEPS)] *= STALLS.1;
            }
            steps
        };
        (0..launches).map(launch).collect()
    }

    /// A launch's effect, with a standard deviation of 1.
    fn effect(&self, random: &mut Pcg64) -> f64 {
        match self.kind {
            Kind::HeavyTails => StudentT::new(3.0).expect("three is positive").sample(random) / 3f64.sqrt(),
            _ => StandardNormal.sample(random),
        }
    }

    /// How many times as long a step takes because the machine is hot. The arms take turns; who begins alternates.
    fn heat(&self, block: usize, step: usize, arm: usize) -> f64 {
        if self.kind != Kind::Ramp {
            return 1.0;
        }
        let turn = 2 * (block * STEPS + step) + (block + step + arm) % 2;
        1.0 + RAMP * (turn as f64 / (2 * RAMP_LAUNCHES * STEPS) as f64).min(1.0)
    }
}

/// Standard deviation of a block's log-ratio over that of a launch's effect, by simulation: how the log-ratio is taken is
/// not this file's affair.
pub fn spread(random: &mut Pcg64) -> f64 {
    let noise = Noise { kind: Kind::Plain, scale: SMALL, correlation: 0.0 };
    let values = log_ratios(&noise.case(CALIBRATION_BLOCKS, random));
    stats::standard_deviation(&values).unwrap_or(f64::NAN) / SMALL
}
