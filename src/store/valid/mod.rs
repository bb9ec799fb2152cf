//! What can be true: the rules of a figure, a launch, a record and a baseline, each in one place. Pure.
//!
//! A worker's events are held to them when they arrive, files when they are read, artifacts and imported reports too: so
//! nothing is written that will not be read. An error is the reason, with the figure's name and its value.

mod baseline;
mod figure;
mod record;

pub use baseline::{baseline, model_memory};
pub use figure::event;
pub use record::run;

/// Nothing, or what cannot be true.
pub type Checked = Result<(), String>;

/// Nothing where it `holds`, else the reason.
pub(crate) fn require(holds: bool, reason: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(reason()) }
}
