//! What is kept: results, baselines, and reports imported as baselines.

pub mod baseline;
pub mod import;
pub mod record;
