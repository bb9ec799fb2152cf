//! For scripts. Schema [`SCHEMA`].
//!
//! | key | meaning |
//! |---|---|
//! | `schema` | 1; raised when a key changes its meaning or goes away, not when one is added |
//! | `a`, `b` | the files |
//! | `differences[]` | what differs: `name`, and its words for `a` and `b`; `null` where a side does not tell |
//! | `cases[]` | the cases of either side: `name`, `step_ratio` (B's step time over A's), and the figures in `a` and `b`; `null` where they are not known |
//! | `cases[].is_other_work` | whether A and B compute something else under this name |

use serde::Serialize;

use super::side::{Entry, SideBySide};
use crate::text::escape;

/// Version of the form.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    a: &'a str,
    b: &'a str,
    differences: Vec<Difference<'a>>,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Difference<'a> {
    name: &'a str,
    a: Option<&'a str>,
    b: Option<&'a str>,
}

#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
    step_ratio: Option<f64>,
    is_other_work: bool,
    a: Option<&'a Entry>,
    b: Option<&'a Entry>,
}

/// Both sides as indented JSON, with a line feed at its end.
///
/// # Panics
/// Never: all keys are strings.
pub fn render(both: &SideBySide) -> String {
    let [a, b] = &both.sides;
    let cases = both.pairs().into_iter().map(|pair| {
        let [a, b] = pair.entries;
        Case { name: pair.name, step_ratio: pair.step_ratio(), is_other_work: pair.is_other_work(), a, b }
    });
    let differences = both.differences().into_iter().map(|(name, [a, b])| Difference { name, a, b });
    let document =
        Document { schema: SCHEMA, a: &a.file, b: &b.file, differences: differences.collect(), cases: cases.collect() };
    escape::json_document(&document)
}
