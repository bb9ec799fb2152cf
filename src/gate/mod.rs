//! From a record and what is asked of it to an outcome. Pure: no clock, no files.
//!
//! [`Judge`] is the only place that decides whether a run passes; everything else renders its [`Outcome`]. `time`,
//! `memory`, `output` and `control` each judge one kind of figure, `ceiling` those that have a `limit` of their own, `gaps` and
//! `exemptions` the run as a whole. `questions` collects the questions about times beside a base revision, `committed` those
//! against baselines, and [`speed`] answers them together, each as it stands by its `interim`; `level` and `between` are what
//! recorded jobs tell for it, `anchor` what updates leave in place. [`recording`] is what a run changes in the baselines,
//! [`doubts`] why it should not, [`loosening`] what a change relaxes for itself, and `relaxed` the thresholds among it.

mod anchor;
mod between;
mod ceiling;
mod committed;
mod control;
pub mod doubts;
mod exemptions;
mod gaps;
mod interim;
mod judge;
mod level;
mod limit;
pub mod loosening;
mod memory;
mod outcome;
mod output;
mod parts;
mod plan;
mod question;
mod questions;
pub mod recording;
mod relaxed;
pub mod speed;
mod time;
mod words;

#[cfg(test)]
mod tests;

pub use between::Between;
pub use control::{Control, ControlLimit, is_unfit};
pub use outcome::{Against, Figure, Finding, Gap, Judged, Outcome, Standing, Verdict};
pub use parts::worth_profiling;
pub use plan::{Baselines, Demands, Judge, Plan, Terms};
pub use questions::settled;
pub use time::MOST_ADVISED_LAUNCHES;
