//! What a run tells while it goes on; reporters only consume these.

use crate::record::Outcome;

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A fresh process was started for a case.
    LaunchStarted {
        /// The case's name.
        case: &'a str,
        /// From 0.
        block: usize,
    },
    /// Its weights are on the device.
    Loaded {
        /// The case's name.
        case: &'a str,
    },
    /// Its warm-up is over.
    Warmed {
        /// The case's name.
        case: &'a str,
    },
    /// One of its timed steps is over.
    Step {
        /// The case's name.
        case: &'a str,
        /// From 0.
        index: usize,
        /// The step's time.
        seconds: f64,
    },
    /// The process is gone.
    LaunchEnded {
        /// The case's name.
        case: &'a str,
        /// What came of it.
        outcome: &'a Outcome,
    },
}

impl<'a> Event<'a> {
    /// The name of the case it is about.
    pub fn case(&self) -> &'a str {
        match *self {
            Self::LaunchStarted { case, .. }
            | Self::Loaded { case }
            | Self::Warmed { case }
            | Self::Step { case, .. }
            | Self::LaunchEnded { case, .. } => case,
        }
    }
}
