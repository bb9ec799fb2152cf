//! Markdown's pieces: tables, code, folds. What goes into them from outside is escaped here or by who calls.

use std::fmt::Write;

use crate::text::escape::{markdown as escape, one_line};

/// A table of cells that are Markdown already, unpadded as in the founding report: a changed cell changes one line.
pub(in crate::report) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rule: Vec<String> = header.iter().map(|name| "-".repeat(name.chars().count() + 2)).collect();
    let mut text = format!("| {} |\n|{}|\n", header.join(" | "), rule.join("|"));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// The same, or words where there is no row.
pub(in crate::report) fn table_or_none(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() { "No case was measured.\n".to_owned() } else { table(header, rows) }
}

/// `body`, which is Markdown and ends with a line feed, folded away under `summary`, which is HTML, unless
/// `is_open`.
pub(in crate::report) fn details(summary: &str, body: &str, is_open: bool) -> String {
    let open = if is_open { " open" } else { "" };
    format!("<details{open}><summary>{summary}</summary>\n\n{body}\n</details>\n")
}

/// A list of lines that are Markdown already; empty where there are none.
pub(in crate::report) fn list(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| format!("- {line}\n")).collect()
}

/// `text` as code, inside tables too.
pub(in crate::report) fn code(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() || text.contains(['`', '|']) { escape(&text) } else { format!("`{text}`") }
}

/// Escapes prose outside of its backticks. An odd part can hold no backtick, so whatever a name holds stays harmless.
pub(in crate::report) fn escape_prose(prose: &str) -> String {
    let parts = prose.split('`').enumerate();
    parts.map(|(index, part)| if index % 2 == 0 { escape(part) } else { code(part) }).collect()
}

/// `lines` under a title; nothing where there is no line.
pub(in crate::report) fn titled(title: &str, lines: &str) -> String {
    if lines.is_empty() { String::new() } else { format!("{title}:\n\n{lines}") }
}
