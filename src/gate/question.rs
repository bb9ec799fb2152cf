//! A question about the times of one case, and the form of its answer.
//!
//! Values are log-ratios, so that faster and slower are alike; positive is slower.

use serde::Serialize;

use super::between::Between;
use crate::config::Thresholds;
use crate::evidence::pair::Pair;

/// Questions about every case beside the base revision: [`Question::beside_base`].
pub const QUESTIONS_PER_CASE: usize = 3;

/// One question: the values that the blocks gave, and what they are held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// A log-ratio for each block, in their order; positive is slower.
    pub values: Vec<f64>,
    /// ln of both launches' times of each block, where only launches of the same mode are compared; else empty.
    pub launches: Vec<[f64; 2]>,
    /// What the values are.
    pub kind: Kind,
    /// What no change would look like.
    pub against: NoChange,
    /// Change that matters, as a ratio above 1: 1.02 for 2%.
    pub tolerance: f64,
}

/// What a question's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Log-ratios of times.
    Times,
    /// None: the question is whether more of the launches are slow as a whole.
    SlowLaunches,
}

impl Question {
    /// Whether times got slower: `values` in general, within the modes of `launches` where these are given.
    pub fn of_times(values: Vec<f64>, launches: Vec<[f64; 2]>, tolerance_percent: f64) -> Self {
        let tolerance = 1.0 + tolerance_percent / 100.0;
        Self { values, launches, kind: Kind::Times, against: NoChange::SameBlocks, tolerance }
    }

    /// What is asked of every case's steps beside the base revision: whether a step got slower, whether the mean step did, and
    /// whether more of the launches are slow as a whole. The tolerances are the case's own.
    pub fn beside_base(pairs: &[Pair], gate: &Thresholds) -> [Self; QUESTIONS_PER_CASE] {
        let launches: Vec<[f64; 2]> = pairs.iter().map(|pair| pair.launches).collect();
        let times = |value: fn(&Pair) -> f64, tolerance_percent| {
            Self::of_times(pairs.iter().map(value).collect(), launches.clone(), tolerance_percent)
        };
        [
            times(|pair| pair.step, gate.base_tolerance_percent),
            times(|pair| pair.mean_step, gate.whole_tolerance_percent),
            Self { kind: Kind::SlowLaunches, ..times(|_| 0.0, gate.whole_tolerance_percent) },
        ]
    }
}

/// What no change would look like.
#[derive(Clone, Debug, PartialEq)]
pub enum NoChange {
    /// Zero: both sides were in every block.
    SameBlocks,
    /// What was recorded: a new job must be further off than jobs differ by chance.
    Recorded(Recorded),
}

/// The level of earlier jobs, or of an imported table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Mean of the values then.
    pub mean: f64,
    /// Jobs behind it; 0 for a table.
    pub jobs: usize,
    /// How much jobs differ.
    pub between: Between,
}

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// What is to be said.
    pub decision: Decision,
    /// Launches behind it.
    pub launches: usize,
    /// The change as a log-ratio; positive is slower.
    pub change: f64,
    /// Where it lies with 95% confidence, by the blocks' own scatter; `None` below two blocks.
    pub interval: Option<(f64, f64)>,
    /// The smallest slowdown that the planned last look finds with a probability of 80%, as a log-ratio.
    pub detectable: Option<f64>,
    /// Of an undecided question: the launches of a new run of this question alone that would decide it with a probability of
    /// 80%, if some 200 do.
    pub settling_launches: Option<usize>,
}

/// What the evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Slower by more than the tolerance, and by more than chance explains.
    Slower,
    /// Faster likewise.
    Faster,
    /// Not slower by more than the tolerance. Beside the base revision that is shown; of a job it is said of the job itself, which is
    /// known to within the tolerance.
    Unchanged,
    /// Slower than earlier jobs by more than the tolerance, but not by more than jobs differ by chance.
    Unconfirmed,
    /// Neither is shown.
    Open,
}
