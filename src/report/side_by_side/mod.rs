//! Two machines' or versions' figures beside each other. Nothing is judged: what differs between two machines is no regression.

mod cells;
mod json;
mod markdown;
mod side;
mod text;

pub use json::render as json;
pub use markdown::render as markdown;
pub use side::{Side, SideBySide};
pub use text::render as text;

#[cfg(test)]
mod tests;
