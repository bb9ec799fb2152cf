//! A report in the formats of other tools: docs/exports.md has an example of each. Nothing is judged here.
//!
//! A case without figures has none in any format: never a zero. CSV, JUnit and OpenMetrics have the verdicts too; the two
//! formats for trackers of benchmarks have nowhere to put them.

pub mod action_benchmark;
pub mod bencher;
pub mod csv;
mod exported;
pub mod junit;
pub mod openmetrics;

#[cfg(test)]
mod tests;
