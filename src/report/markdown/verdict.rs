//! The verdict, what to do next, what was found, why cases failed, what was accepted and what is relaxed.

use super::super::headline::{self, Notable};
use super::super::{Report, next_steps, review};
use super::syntax::{code, details, escape_prose, list};
use crate::gate::Judged;
use crate::text::escape::{self, cut, fenced, markdown as escape};

/// How much of what comes from outside is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) struct Bounds {
    /// Entries of a list; the rest is counted.
    pub entries: usize,
    /// Characters of a name or sentence; the rest is an ellipsis.
    pub characters: usize,
}

impl Bounds {
    /// All of it.
    pub const NONE: Self = Self { entries: usize::MAX, characters: usize::MAX };
}

pub(super) fn section(report: &Report) -> String {
    let mut text = format!("## Verdict\n\n**{}**: {}.\n", report.standing().name(), escape(&headline::reason(report)));
    let steps = list(next_steps::steps(report).iter().map(|step| escape_prose(&step.words(report))));
    let found = list(headline::notable(&report.outcome).iter().map(|notable| finding(notable, "", Bounds::NONE)));
    for (title, lines) in [("What to do next", steps), ("What was found", found)] {
        text += &titled(title, &lines);
    }
    text.extend(report.outcome.cases.iter().filter_map(stderr).map(|tail| format!("\n{tail}")));
    text += &titled("Accepted", &list(review::accepted(report).map(|(name, words)| acceptance(name, &words))));
    text + &titled(review::LOOSENS, &list(review::loosened(report).iter().map(|change| escape(change))))
}

/// `lines` under a title, after an empty line; nothing where there is no line.
fn titled(title: &str, lines: &str) -> String {
    if lines.is_empty() { String::new() } else { format!("\n{title}:\n\n{lines}") }
}

/// What was found, on one line; `place`, which is Markdown, stands behind the cases.
pub(in crate::report) fn finding(notable: &Notable, place: &str, bounds: Bounds) -> String {
    let names = notable.cases.iter().take(bounds.entries).map(|case| code(&cut(&case.name, bounds.characters)));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if notable.cases.len() > bounds.entries {
        names += &format!(" and {} more", notable.cases.len() - bounds.entries);
    }
    format!("**{}** {names}{place}: {}", notable.verdict, escape(&cut(&notable.words, bounds.characters)))
}

/// An acknowledged regression, on one line.
pub(in crate::report) fn acceptance(name: &str, words: &str) -> String {
    format!("{}: {}", code(name), escape(words))
}

/// The last lines that a failed case's worker wrote, folded away.
pub(in crate::report) fn stderr(case: &Judged) -> Option<String> {
    let tail = &case.failure.as_ref()?.stderr_tail;
    let summary = format!("Last lines of standard error of <code>{}</code>", escape::html(&case.name));
    (!tail.is_empty()).then(|| details(&summary, &fenced("text", tail), false))
}
