//! The table of loading and throughput: one definition of its columns, for Markdown and text.

use crate::evidence::figures::Figures;
use crate::gate::Outcome;
use crate::text::NOTHING;
use crate::text::format;

/// How the table is read.
pub(super) const LEGEND: &str = "Load includes Quantize. GEMM Rate and Copy Rate are the machine's own, measured right after the \
     steps: slow results with slow rates mean a slow machine, with the usual rates a slow program. None of \
     this is gated.";

/// The table, in plain text.
pub(super) struct Table<'a> {
    /// The heads of the columns.
    pub header: Vec<&'static str>,
    /// Each measured case's name, and its cells in the columns behind that.
    pub rows: Vec<(&'a str, Vec<String>)>,
}

/// A column: its head and what stands in it, where that is known.
type Column = (&'static str, fn(&Figures) -> Option<String>);

const LOAD: Column = ("Load", |now| Some(now.load_seconds.to_string()));
const QUANTIZE: Column = ("Quantize", |now| now.quantize_seconds.map(|time| time.to_string()));
const SWITCH: Column = ("Switch", |now| now.switch_seconds.map(|time| time.to_string()));
const RATES: [Column; 6] = [
    ("TFLOP/s", |now| Some(format::teraflops(now.throughput?.flops_per_second))),
    ("of GEMM", |now| Some(format::share(now.throughput?.shares?.gemm))),
    ("GB/s", |now| Some(format::gigabytes(now.throughput?.bytes_per_second))),
    ("of Copy", |now| Some(format::share(now.throughput?.shares?.copy))),
    ("GEMM Rate", |now| Some(format::flop_rate(now.rates?.gemm_flops_per_second))),
    ("Copy Rate", |now| Some(format::byte_rate(now.rates?.copy_bytes_per_second))),
];

/// The table of the cases that were measured; it has a column for the switch only where networks were switched.
pub(super) fn table(outcome: &Outcome) -> Table<'_> {
    let measured: Vec<_> =
        outcome.cases.iter().filter_map(|case| Some((case.name.as_str(), case.now.as_ref()?))).collect();
    let switch = measured.iter().any(|(_, now)| now.switch_seconds.is_some()).then_some(SWITCH);
    let columns: Vec<Column> = [LOAD, QUANTIZE].into_iter().chain(switch).chain(RATES).collect();
    let cells =
        |now: &Figures| columns.iter().map(|(_, cell)| cell(now).unwrap_or_else(|| NOTHING.to_owned())).collect();
    Table {
        header: ["Case"].into_iter().chain(columns.iter().map(|(head, _)| *head)).collect(),
        rows: measured.into_iter().map(|(name, now)| (name, cells(now))).collect(),
    }
}
