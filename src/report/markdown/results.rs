//! The results table.

use super::super::summary::{self, Row, row};
use super::super::{Report, headline};
use super::syntax::{code, table};
use crate::gate::{Judged, Verdict};
use crate::text::escape::{cut, markdown as escape};

/// Characters of a failed case's reason in a cell.
const REASON_LENGTH: usize = 80;

pub(super) fn section(report: &Report) -> String {
    let cases: Vec<&Judged> = report.outcome.cases.iter().collect();
    format!("## Results Summary\n\n{}\n{}", rows(&cases), legend(report))
}

/// A column: its name and the cell in it.
type Column = (&'static str, fn(&Row) -> String);

/// The table of `cases`, a row each, with every column.
pub(in crate::report) fn rows(cases: &[&Judged]) -> String {
    let rows: Vec<Row> = cases.iter().map(|case| row(case)).collect();
    let mut columns: Vec<Column> = vec![("Change", |row| row.change.clone()), ("Backend", |row| row.backend.clone())];
    if summary::has_models(&rows) {
        columns.push(("Model", |row| row.model.clone()));
    }
    if summary::has_named_workloads(&rows) {
        columns.push(("Workload", |row| row.workload.clone()));
    }
    columns.extend::<[Column; 3]>([
        ("Frames", |row| row.frames.clone()),
        ("Steps", |row| row.steps.clone()),
        ("Quant", |row| row.quant.clone()),
    ]);
    if summary::has_dtypes(&rows) {
        columns.push(("DType", |row| row.dtype.clone()));
    }
    columns.extend::<[Column; 7]>([
        ("Before/Step", |row| row.before.clone()),
        ("Time/Step", |row| row.step.clone()),
        ("Total", |row| row.total.clone()),
        ("Model Mem", |row| row.memory.clone()),
        ("Baseline Speedup", |row| row.speedup_before.clone()),
        ("Speedup", |row| row.speedup.clone()),
        ("Min. Detectable", |row| row.detectable.clone()),
    ]);
    with_verdict(&columns, cases, &rows)
}

/// The table of `cases` in few columns, for a comment of GitHub's width.
pub(in crate::report) fn brief(cases: &[&Judged]) -> String {
    let rows: Vec<Row> = cases.iter().map(|case| row(case)).collect();
    let columns: [Column; 5] = [
        ("Change", |row| row.change.clone()),
        ("Before/Step", |row| row.before.clone()),
        ("Time/Step", |row| row.step.clone()),
        ("Speedup", |row| row.speedup.clone()),
        ("Model Mem", |row| row.memory.clone()),
    ];
    let mut header = vec!["Verdict", "Case"];
    header.extend(columns.iter().map(|(name, _)| *name));
    let cells = rows.iter().zip(cases).map(|(row, case)| {
        let figures = columns.iter().map(|(_, cell)| escape(&cell(row)));
        [verdict(case, row), code(&row.name)].into_iter().chain(figures).collect()
    });
    table(&header, cells)
}

fn with_verdict(columns: &[Column], cases: &[&Judged], rows: &[Row]) -> String {
    let header: Vec<&str> = ["Verdict"].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let cells = rows.iter().zip(cases).map(|(row, case)| {
        let figures = columns.iter().map(|(_, cell)| escape(&cell(row)));
        [verdict(case, row)].into_iter().chain(figures).collect()
    });
    table(&header, cells)
}

/// What the columns mean, and what is gated.
pub(in crate::report) fn legend(report: &Report) -> String {
    let before = match report.record.base {
        Some(_) => {
            "Change compares the case's own step time with the base revision's in the same blocks; Before/Step is the base revision's median step."
        }
        None => {
            "Change compares the case's step time relative to the reference's (the reference's own step time) with the \
             baseline; Before/Step is the baseline's step time."
        }
    };
    format!(
        "{before} Positive is slower; ± is half the width of the 95% interval. A speedup is the reference's step time over the \
         case's, larger is better. Min. Detectable is the smallest slowdown that all planned launches find with a probability \
         of 80%. {}\n",
        summary::gated(report)
    )
}

/// The verdict's cell: bold where it deserves a look, with the reason of a case that was not measured.
fn verdict(case: &Judged, row: &Row) -> String {
    let judgement = match case.verdict {
        Verdict::Failed => {
            let reason = case.reason.clone().unwrap_or_default();
            format!("failed: {}", cut(&reason, REASON_LENGTH))
        }
        Verdict::Skipped => headline::unmeasured(case),
        _ => row.judgement.clone(),
    };
    let judgement = escape(&judgement);
    let deserves_a_look = case.is_gap || case.fails() || case.verdict == Verdict::Regressed;
    if deserves_a_look { format!("**{judgement}**") } else { judgement }
}
