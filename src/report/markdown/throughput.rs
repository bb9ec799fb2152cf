//! Loading and throughput, beside the machine's own rates.

use super::super::Report;
use super::super::throughput::{LEGEND, table};
use super::syntax::{code, table_or_none};

/// The table, and how it is read where there is one.
pub(in crate::report) fn throughput(report: &Report) -> String {
    let table = table(&report.outcome);
    let legend = if table.rows.is_empty() { String::new() } else { format!("\n{LEGEND}\n") };
    let rows = table.rows.into_iter().map(|(name, cells)| [code(name)].into_iter().chain(cells).collect());
    table_or_none(&table.header, rows) + &legend
}
