//! What is kept: results, baselines, the history, and reports imported as baselines.

pub mod baseline;
pub mod entries;
pub mod history;
pub mod import;
mod open;
pub mod record;
mod unique;
pub mod valid;
mod versioned;

pub use open::committed;
pub use versioned::{ReadError, has_form, parse_versioned, read_versioned};
