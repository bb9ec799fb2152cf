//! The cells of the table and the words around it, shared by text and Markdown.

use super::side::{Entry, Pair, SideBySide};
use crate::evidence::quantity::{Bytes, Ratio, Seconds};
use crate::text::{NOTHING, format};

/// A column of figures: its head, and what is in it.
pub(super) struct Column {
    pub head: &'static str,
    /// When it gives way to a narrow terminal: the highest goes first, and 0 stays.
    pub rank: u8,
    pub cell: fn(&Pair) -> String,
}

/// In their order, behind the case.
pub(super) const COLUMNS: [Column; 9] = [
    Column { head: "Step A", rank: 0, cell: |pair| step(pair.entries[0]) },
    Column { head: "Step B", rank: 0, cell: |pair| step(pair.entries[1]) },
    Column { head: "B/A", rank: 0, cell: |pair| ratio(pair) },
    Column { head: "Speedup A", rank: 2, cell: |pair| speedup(pair.entries[0]) },
    Column { head: "Speedup B", rank: 2, cell: |pair| speedup(pair.entries[1]) },
    Column { head: "Peak A", rank: 1, cell: |pair| memory(pair.entries[0], |entry| entry.peak_bytes) },
    Column { head: "Peak B", rank: 1, cell: |pair| memory(pair.entries[1], |entry| entry.peak_bytes) },
    Column { head: "Model A", rank: 3, cell: |pair| memory(pair.entries[0], |entry| entry.model_bytes) },
    Column { head: "Model B", rank: 3, cell: |pair| memory(pair.entries[1], |entry| entry.model_bytes) },
];

/// How the table is read.
pub(super) const LEGEND: &str = "B/A is the step time of B over that of A: below 1, B is faster. A speedup is over the reference \
     of its own side. Peak is the memory that contains what the network takes. Nothing is judged here.";

/// Which file is A and which is B, and what they have in common.
pub(super) fn files(both: &SideBySide) -> Vec<(&'static str, String)> {
    let [a, b] = &both.sides;
    vec![("A", a.file.clone()), ("B", b.file.clone())]
}

/// What is the same and what is not, each as a line: its name, and words.
pub(super) fn circumstances(both: &SideBySide) -> Vec<(String, String)> {
    let common = both.common().into_iter().map(|(name, words)| (name.to_owned(), format!("{words} on both sides")));
    let word = |word: Option<&str>| word.map_or_else(|| "not told".to_owned(), str::to_owned);
    let differences = both.differences().into_iter();
    let differences = differences.map(|(name, [a, b])| (name.to_owned(), format!("A {}; B {}", word(a), word(b))));
    common.chain(differences).collect()
}

/// What keeps a case from being compared, each with the case's name.
pub(super) fn notes(both: &SideBySide) -> Vec<(String, String)> {
    let notes = both.pairs().into_iter().flat_map(|pair| {
        let reasons = pair.entries.iter().zip(["A", "B"]).filter_map(|(entry, side)| match entry {
            None => Some(format!("{side} does not have it")),
            Some(entry) => Some(format!("{side}: {}", entry.reason.as_ref()?)),
        });
        let other = pair.is_other_work().then(|| "A and B compute something else under this name".to_owned());
        let words: Vec<String> = reasons.chain(other).collect();
        words.into_iter().map(|words| (pair.name.to_owned(), words)).collect::<Vec<_>>()
    });
    notes.collect()
}

fn step(entry: Option<&Entry>) -> String {
    or_dash(entry.and_then(|entry| entry.step_seconds).map(|step| Seconds(step).to_string()))
}

fn speedup(entry: Option<&Entry>) -> String {
    or_dash(entry.and_then(|entry| entry.speedup_ratio).map(|speedup| Ratio(speedup).to_string()))
}

fn memory(entry: Option<&Entry>, of: fn(&Entry) -> Option<u64>) -> String {
    or_dash(entry.and_then(of).map(|bytes| Bytes(bytes).to_string()))
}

fn ratio(pair: &Pair) -> String {
    or_dash(pair.step_ratio().map(format::multiple))
}

fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| NOTHING.to_owned())
}
