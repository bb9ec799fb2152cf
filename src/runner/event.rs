//! What a run tells while it goes on; reporters only consume these.

use crate::protocol::Loading;
use crate::store::record::Outcome;

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A fresh process was started for an arm.
    LaunchStarted {
        /// The arm's name.
        arm: &'a str,
        /// From 0.
        block: usize,
    },
    /// Its weights are on their way to the device.
    Loading {
        /// The arm's name.
        arm: &'a str,
        /// How far they are.
        loading: &'a Loading,
    },
    /// Its weights are on the device.
    Loaded {
        /// The arm's name.
        arm: &'a str,
    },
    /// Its warm-up is over.
    Warmed {
        /// The arm's name.
        arm: &'a str,
    },
    /// One of its timed steps is over.
    Step {
        /// The arm's name.
        arm: &'a str,
        /// From 0.
        index: usize,
        /// The step's time.
        seconds: f64,
    },
    /// The process is gone.
    LaunchEnded {
        /// The arm's name.
        arm: &'a str,
        /// What came of it.
        outcome: &'a Outcome,
        /// Time spent on it.
        seconds: f64,
    },
    /// A block did not begin, since the machine was not at rest.
    BlockDropped {
        /// Name of the workload.
        workload: &'a str,
        /// From 0.
        block: usize,
        /// Why, and what follows.
        reason: &'a str,
    },
}

impl<'a> Event<'a> {
    /// The name of the arm it is about; `None` where it is about a block.
    pub fn arm(&self) -> Option<&'a str> {
        match *self {
            Self::LaunchStarted { arm, .. }
            | Self::Loading { arm, .. }
            | Self::Loaded { arm }
            | Self::Warmed { arm }
            | Self::Step { arm, .. }
            | Self::LaunchEnded { arm, .. } => Some(arm),
            Self::BlockDropped { .. } => None,
        }
    }
}
