//! Text for people: how figures are written, how text from outside is made harmless, how lines fit a terminal.

pub mod columns;
pub mod escape;
pub mod format;
pub mod shell;
pub mod wrap;

/// What stands where there is no figure.
pub const NOTHING: &str = "–";
