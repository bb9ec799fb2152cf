//! The events of a run in progress; reporters only consume these.

use crate::protocol::Loading;
use crate::store::record::Outcome;

/// What a run waits for before its next block. No arm is measured meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The canary's process starts and takes its first readings.
    CanaryStart,
    /// The canary takes a reading.
    CanaryReading,
    /// The pause after a block.
    CoolDown,
    /// The block was put off: the canary is read again after a pause.
    Rest {
        /// The try that follows, from 2.
        next_try: usize,
        /// Most tries before the block begins all the same.
        tries: usize,
    },
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum RunEvent<'a> {
    /// A case is launched once before the run, so that its kernels are compiled; nothing of it is measured.
    Compiling {
        /// The name of the arm, or of the canary's case.
        case: &'a str,
    },
    /// That launch failed.
    NotCompiled {
        /// As in [`Self::Compiling`].
        case: &'a str,
        /// Why.
        reason: &'a str,
    },
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
    /// The next block waits. A wait of known length is told again once a second.
    Waiting {
        /// What for.
        wait: Wait,
        /// Whole seconds until the wait is over, rounded up; `None` where that is not known.
        remaining_seconds: Option<u64>,
    },
    /// The wait is over, and the next block begins or the run ends.
    Resumed,
    /// A case needs no further launch.
    CaseSettled {
        /// Its name.
        case: &'a str,
    },
    /// What the canary told before a block that begins: another level, no rest, or that its process failed.
    CanaryTold {
        /// Name of the workload.
        workload: &'a str,
        /// From 0.
        block: usize,
        /// What it told, and what follows.
        words: &'a str,
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

impl<'a> RunEvent<'a> {
    /// The name of the arm it is about; `None` where it is about a block, a case or the run.
    pub fn arm(&self) -> Option<&'a str> {
        match *self {
            Self::LaunchStarted { arm, .. }
            | Self::Loading { arm, .. }
            | Self::Loaded { arm }
            | Self::Warmed { arm }
            | Self::Step { arm, .. }
            | Self::LaunchEnded { arm, .. } => Some(arm),
            Self::Compiling { .. }
            | Self::NotCompiled { .. }
            | Self::Waiting { .. }
            | Self::Resumed
            | Self::CaseSettled { .. }
            | Self::CanaryTold { .. }
            | Self::BlockDropped { .. } => None,
        }
    }
}
