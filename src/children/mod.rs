//! The processes that wanbench starts and that must not outlive it: each leads a process group of its own, which a guard
//! kills should wanbench be killed itself.

mod group;
mod guard;
mod mark;
mod open_files;
mod output;

pub use group::{Exit, Group, Leftovers};
pub use guard::{Guard, enable, stand_guard};
pub use open_files::allow_for;
pub use output::{output, output_with};
