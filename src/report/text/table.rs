//! The tables of the report for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::super::summary::{self, Row, row};
use super::super::{Report, throughput};
use super::{Layout, Paint};
use crate::text::columns;
use crate::text::escape::one_line;
use crate::text::wrap::wrap;

/// The results, in as many columns as fit: the verdict and the change come first.
pub(super) fn results(report: &Report, paint: Paint, layout: Layout) -> String {
    let rows: Vec<Row> = report.outcome.cases.iter().map(row).collect();
    let mut shown: Vec<Column> = COLUMNS.to_vec();
    let table = |columns: &[Column]| Grid::new(columns, &rows, paint);
    let mut fitting = table(&shown);
    while !layout.verbose && fitting.width > layout.table_width && shown.len() > LEAST_COLUMNS {
        let (least, _) = shown.iter().enumerate().max_by_key(|(_, column)| column.rank).expect("there are columns");
        shown.remove(least);
        fitting = table(&shown);
    }
    let Grid { mut text, lines, .. } = fitting;
    for (line, row) in lines.iter().zip(&rows) {
        // Painted after the layout, which would count the escape sequences as columns.
        let verdict = (COLUMNS[0].cell)(row);
        let rest = line.strip_prefix(&verdict);
        text.push_str(&rest.map_or(line.clone(), |rest| paint.verdict(&verdict, row.verdict) + rest));
        text.push('\n');
    }
    let has_peak = shown.iter().any(|column| column.head == PEAK);
    let whose_peak = if has_peak { summary::whose_peak(report) } else { String::new() };
    text + &wrap(&format!("{whose_peak}{}", summary::gated(report)), "", "", layout.width)
}

/// The head of the column of peaks.
const PEAK: &str = "Peak Mem";

/// A column of the results: what is in it, and when it gives way to a narrow terminal; the highest rank goes first.
#[derive(Clone, Copy)]
struct Column {
    head: &'static str,
    is_word: bool,
    rank: u8,
    cell: fn(&Row) -> String,
}

/// Columns that stay, however narrow the terminal.
const LEAST_COLUMNS: usize = 4;

/// In their order.
const COLUMNS: [Column; 12] = [
    column("Verdict", 0, |row| row.verdict.to_string()),
    column("Case", 0, |row| one_line(&row.name)),
    column("Change", 0, |row| row.change.clone()),
    column("Before", 1, |row| row.before.clone()),
    column("Step", 0, |row| row.step.clone()),
    column("Speedup", 3, |row| row.speedup.clone()),
    column("Baseline", 5, |row| row.speedup_before.clone()),
    column("Model Mem", 4, |row| row.memory.clone()),
    column(PEAK, 6, |row| row.peak.clone()),
    column("Total", 7, |row| row.total.clone()),
    column("Steps", 9, |row| row.steps.clone()),
    column("Min. Detectable", 8, |row| row.detectable.clone()),
];

const fn column(head: &'static str, rank: u8, cell: fn(&Row) -> String) -> Column {
    Column { head, is_word: matches!(head.as_bytes(), b"Verdict" | b"Case"), rank, cell }
}

/// Loading and throughput, the legend in `width` columns; empty where no case was measured.
pub(super) fn throughput(report: &Report, paint: Paint, width: usize) -> String {
    let throughput::Table { header, rows } = throughput::table(&report.outcome);
    if rows.is_empty() {
        return String::new();
    }
    let cells = rows.into_iter().map(|(name, cells)| [one_line(name)].into_iter().chain(cells).collect());
    let Grid { text, lines, .. } = Grid::of(&header, |head| head == "Case", cells, paint);
    text + &lines.join("\n") + "\n" + &wrap(throughput::LEGEND, "", "", width)
}

/// A table in columns of equal width: the head with a rule below it, and a line for each row.
pub(in crate::report) struct Grid {
    /// The head and the rule.
    pub text: String,
    /// A line for each row.
    pub lines: Vec<String>,
    /// Columns of the widest line.
    pub width: usize,
}

impl Grid {
    fn new(columns: &[Column], rows: &[Row], paint: Paint) -> Self {
        let header: Vec<&str> = columns.iter().map(|column| column.head).collect();
        let is_word = |head: &str| columns.iter().any(|column| column.head == head && column.is_word);
        let cells = rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect());
        Self::of(&header, is_word, cells, paint)
    }

    /// Columns of words are flush left, those of numbers flush right.
    pub fn of(
        header: &[&str],
        is_word: impl Fn(&str) -> bool,
        rows: impl Iterator<Item = Vec<String>>,
        paint: Paint,
    ) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
        table.add_rows(rows);
        for (column, name) in table.column_iter_mut().zip(header) {
            column.set_cell_alignment(if is_word(name) { CellAlignment::Left } else { CellAlignment::Right });
            column.set_padding((0, 2));
        }
        let mut lines = table.lines().map(|line| line.trim_end().to_owned());
        let head = lines.next().unwrap_or_default();
        let lines: Vec<String> = lines.collect();
        let width = lines.iter().chain([&head]).map(|line| columns::width(line)).max().unwrap_or(0);
        let text = format!("{}\n{}\n", paint.bold(&head), "─".repeat(width));
        Self { text, lines, width }
    }
}
