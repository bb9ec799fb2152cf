//! The results table.

use super::super::summary::{self, Row, row};
use super::super::{Report, headline};
use super::syntax::table;
use crate::gate::{Compared, Verdict};
use crate::store::record::RunRecord;
use crate::text::escape::{cut, markdown as escape};

/// The section.
pub(super) fn section(report: &Report) -> String {
    let cases: Vec<&Compared> = report.comparison.cases.iter().collect();
    format!("## Results Summary\n\n{}\n{}", rows(&report.record, &cases), legend(&report.record))
}

/// The table of `cases`, a row each.
pub(in crate::report) fn rows(record: &RunRecord, cases: &[&Compared]) -> String {
    let rows: Vec<Row> = cases.iter().map(|case| row(record, case)).collect();
    let columns = columns(record, &rows);
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let cells = rows.iter().zip(cases).map(|(row, case)| {
        let mut cells: Vec<String> = columns.iter().map(|(_, cell)| escape(&cell(row))).collect();
        if let Some(last) = cells.last_mut() {
            *last = emphasized(case, last);
        }
        cells
    });
    table(&header, cells)
}

/// What the columns mean.
pub(in crate::report) fn legend(record: &RunRecord) -> String {
    let about = match record.base {
        Some(_) => {
            "Base/Step and Step Change are about the case's own step time, base and head taking turns in the same blocks."
        }
        None => "Baseline and Change are about the speedup.",
    };
    format!(
        "{about} A speedup is the reference's step time over the case's, larger is better. ± is half \
         the width of the 95% interval. Could See is the smallest slowing that this run would have found with a probability \
         of 80%.\n"
    )
}

/// A column: its name and the cell in it.
type Column = (&'static str, fn(&Row) -> String);

fn columns(record: &RunRecord, rows: &[Row]) -> Vec<Column> {
    let mut columns: Vec<Column> = vec![("Backend", |row| row.backend.clone())];
    if summary::has_models(rows) {
        columns.push(("Model", |row| row.model.clone()));
    }
    if summary::has_named_workloads(rows) {
        columns.push(("Workload", |row| row.workload.clone()));
    }
    columns.extend::<[Column; 3]>([
        ("Frames", |row| row.frames.clone()),
        ("Steps", |row| row.steps.clone()),
        ("Quant", |row| row.quant.clone()),
    ]);
    if summary::has_dtypes(rows) {
        columns.push(("DType", |row| row.dtype.clone()));
    }
    let [before, change, detectable] = summary::change_heads(record);
    columns.extend::<[Column; 8]>([
        ("Time/Step", |row| row.step.clone()),
        ("Total", |row| row.total.clone()),
        ("Model Mem", |row| row.memory.clone()),
        ("Speedup", |row| row.speedup.clone()),
        (before, |row| row.before.clone()),
        (change, |row| row.change.clone()),
        (detectable, |row| row.detectable.clone()),
        ("Verdict", |row| row.judgement.clone()),
    ]);
    columns
}

/// The verdict's cell: bold where it deserves a look, with a failed case's reason.
fn emphasized(case: &Compared, judgement: &str) -> String {
    match case.verdict {
        Verdict::Failed => format!("**failed**: {}", escape(&cut(&headline::failure(case), 80))),
        Verdict::Regressed => format!("**{judgement}**"),
        Verdict::Skipped if case.is_gap() => format!("**{judgement}**"),
        _ if case.findings.iter().any(|finding| finding.fails) => format!("**{judgement}**"),
        _ => judgement.to_owned(),
    }
}
