//! The tables of the report for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::super::summary::{self, Row, row};
use super::super::{Report, throughput};
use super::{Paint, wrap};
use crate::text::NOTHING;
use crate::text::escape::one_line;
use crate::text::format;

/// The results. The case's name stands for the seed table's Backend, Frames and Quant: it is what `--filter` takes.
pub(super) fn results(report: &Report, paint: Paint) -> String {
    let rows: Vec<Row> = report.comparison.cases.iter().map(|case| row(&report.record, case)).collect();
    let [before, change, detectable] = summary::change_heads(&report.record);
    let columns = [
        "Case",
        "Steps",
        "Time/Step",
        "Total",
        "Model Mem",
        "Peak Mem",
        "Speedup",
        before,
        change,
        detectable,
        "Verdict",
    ];
    let cells = rows.iter().zip(&report.comparison.cases).map(|(row, case)| {
        let peak = case.now.as_ref().and_then(|now| now.process_peak_bytes);
        vec![
            one_line(&row.name),
            row.steps.clone(),
            row.step.clone(),
            row.total.clone(),
            row.memory.clone(),
            peak.map_or_else(|| NOTHING.to_owned(), format::mebibytes),
            row.speedup.clone(),
            row.before.clone(),
            row.change.clone(),
            row.detectable.clone(),
            row.judgement.clone(),
        ]
    });
    let Layout { mut text, lines } = Layout::new(&columns, &["Case", "Verdict"], cells, paint);
    for (line, row) in lines.iter().zip(&rows) {
        // Painted after the layout, which would count the escape sequences as columns.
        let figures = line.strip_suffix(&row.judgement).unwrap_or(line);
        let painted =
            line.strip_prefix(figures).map_or_else(String::new, |verdict| paint.verdict(verdict, row.verdict));
        text.push_str(&format!("{figures}{painted}\n"));
    }
    text
}

/// Loading and throughput, the legend in `width` columns; empty where no case was measured.
pub(super) fn throughput(report: &Report, paint: Paint, width: usize) -> String {
    let throughput::Table { header, rows } = throughput::table(&report.comparison);
    if rows.is_empty() {
        return String::new();
    }
    let cells = rows.into_iter().map(|(name, cells)| [one_line(name)].into_iter().chain(cells).collect());
    let Layout { text, lines } = Layout::new(&header, &["Case"], cells, paint);
    text + &lines.join("\n") + "\n" + &wrap(throughput::LEGEND, "", "", width)
}

/// A table in columns of equal width: the head with a rule below it, and a line for each row.
struct Layout {
    text: String,
    lines: Vec<String>,
}

impl Layout {
    /// Columns that are named in `words` are flush left, the others, numbers, flush right.
    fn new(header: &[&str], words: &[&str], rows: impl Iterator<Item = Vec<String>>, paint: Paint) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
        table.add_rows(rows);
        for (column, name) in table.column_iter_mut().zip(header) {
            let is_word = words.contains(name);
            column.set_cell_alignment(if is_word { CellAlignment::Left } else { CellAlignment::Right });
            column.set_padding((0, 2));
        }
        let mut lines = table.lines().map(|line| line.trim_end().to_owned());
        let head = lines.next().unwrap_or_default();
        let text = format!("{}\n{}\n", paint.bold(&head), "─".repeat(head.chars().count()));
        Self { text, lines: lines.collect() }
    }
}
