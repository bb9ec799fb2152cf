//! For a terminal.

use super::cells::{COLUMNS, Column, LEGEND, circumstances, files, notes};
use super::side::{Pair, SideBySide};
use crate::report::text::{Grid, Layout, Paint};
use crate::text::escape::one_line;
use crate::text::wrap::wrap;

/// Both sides as text, in as many columns as fit.
pub fn render(both: &SideBySide, layout: Layout) -> String {
    let line = |text: &str, first: &str| wrap(text, first, "  ", layout.width);
    let of_files = files(both).into_iter().map(|(side, file)| line(&format!("{side}: {file}"), ""));
    let of_both = circumstances(both).into_iter().map(|(name, words)| line(&format!("{name}: {words}"), ""));
    let of_cases = notes(both).into_iter().map(|(case, words)| line(&format!("{case}: {words}"), ""));
    let header: String = of_files.chain(of_both).collect();
    let notes: String = of_cases.collect();
    let parts = [header, table(both, layout) + &wrap(LEGEND, "", "", layout.width), notes];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn table(both: &SideBySide, layout: Layout) -> String {
    let pairs = both.pairs();
    let mut shown: Vec<&Column> = COLUMNS.iter().collect();
    let mut fitting = grid(&shown, &pairs, layout);
    while !layout.verbose && fitting.width > layout.table_width {
        let rank = shown.iter().map(|column| column.rank).max().unwrap_or(0);
        if rank == 0 {
            break;
        }
        shown.retain(|column| column.rank != rank);
        fitting = grid(&shown, &pairs, layout);
    }
    fitting.text + &fitting.lines.iter().map(|line| format!("{line}\n")).collect::<String>()
}

fn grid(columns: &[&Column], pairs: &[Pair], layout: Layout) -> Grid {
    let header: Vec<&str> = ["Case"].into_iter().chain(columns.iter().map(|column| column.head)).collect();
    let rows = pairs.iter().map(|pair| {
        let figures = columns.iter().map(|column| (column.cell)(pair));
        [one_line(pair.name)].into_iter().chain(figures).collect()
    });
    Grid::of(&header, |head| head == "Case", rows, Paint { color: layout.color })
}
