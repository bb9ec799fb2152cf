//! As a Markdown document.

use super::cells::{COLUMNS, LEGEND, circumstances, files, notes};
use super::side::SideBySide;
use crate::report::markdown::syntax::{code, list, table, titled};
use crate::text::escape::markdown as escape;

/// Both sides as Markdown, in all columns.
pub fn render(both: &SideBySide) -> String {
    let files = files(both).into_iter().map(|(side, file)| format!("{side}: {}", code(&file)));
    let circumstances = circumstances(both).into_iter();
    let circumstances = circumstances.map(|(name, words)| format!("{}: {}", escape(&name), escape(&words)));
    let header: Vec<&str> = ["Case"].into_iter().chain(COLUMNS.iter().map(|column| column.head)).collect();
    let rows = both.pairs().into_iter().map(|pair| {
        let figures = COLUMNS.iter().map(|column| escape(&(column.cell)(&pair)));
        [code(pair.name)].into_iter().chain(figures).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let notes = list(notes(both).into_iter().map(|(case, words)| format!("{}: {}", code(&case), escape(&words))));
    let parts = [
        "# Side by Side\n".to_owned(),
        list(files.chain(circumstances)),
        table(&header, rows),
        format!("{LEGEND}\n"),
        titled("Not compared", &notes),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}
