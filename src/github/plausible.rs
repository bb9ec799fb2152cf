//! What an untrusted record must satisfy beyond what [`crate::store::valid`] asks of every record. Pure.
//!
//! Reading a [`RunRecord`] is strict already: unknown and repeated keys, numbers beyond what JSON's types hold, a depth
//! beyond any record's and figures that cannot be true are errors there. Here are the limits on how much it holds, its
//! clock, and the names that lead somewhere. An error is the reason.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::caps::Caps;
use super::event::is_commit;
use crate::config::{Case, Workload};
use crate::revision::git;
use crate::store::record::RunRecord;
use crate::store::valid::{Checked, require};
use crate::text::escape;

/// GitHub lets no job run longer on a machine of one's own: 5 days.
const LONGEST_RUN_SECONDS: f64 = 5.0 * 86_400.0;

/// As far may two clocks be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(24);

/// The most that a configuration takes for what is not a count of launches or steps, such as frames and text rows.
const LARGEST_EXTENT: usize = 1_000_000;

/// Longest name of a file, a backend or a workload, in bytes.
const LONGEST_NAME: usize = 100;

/// Most characters of a stranger's text in a message.
const SHOWN: usize = 500;

/// Whether a stranger's `record`, which is valid, is taken as of `now`.
pub(super) fn check(record: &RunRecord, caps: &Caps, now: Timestamp) -> Checked {
    header(record, caps, now)?;
    for case in &record.cases {
        let sound = shape(&case.case, caps);
        sound.map_err(|reason| format!("the case {} {reason}", shown(&case.case.name)))?;
    }
    // Key by key, so that a new list or text cannot be forgotten.
    let document = serde_json::to_value(record).map_err(|error| shown(&error.to_string()))?;
    within(&document, caps)
}

/// `text` for a message: what of it has a meaning for a terminal, or in a log of GitHub Actions, is a question mark.
///
/// Their log takes a line that begins with two colons for a command, and what follows `##[` anywhere in one.
pub(super) fn shown(text: &str) -> String {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || " -_./,:;()`'\"".contains(letter);
    text.chars().take(SHOWN).map(|letter| if harmless(letter) { letter } else { '?' }).collect()
}

/// Whether `text` can be the name of a file, a backend or a workload.
pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && escape::is_plain(text)
}

fn header(record: &RunRecord, caps: &Caps, now: Timestamp) -> Checked {
    let counts = [
        ("cases", record.cases.len(), caps.cases),
        ("launches", record.launches, caps.launches),
        ("warm-up steps", record.warmup_steps as usize, caps.steps),
    ];
    for (what, count, most) in counts {
        require((1..=most).contains(&count), || format!("has {count} {what}, which is not from 1 to {most}"))?;
    }
    require(record.started.duration_since(now) <= CLOCKS_APART, || {
        format!("began at {}, which is in the future: set the clock of the machine that measured", record.started)
    })?;
    require(record.wall_seconds <= LONGEST_RUN_SECONDS, || {
        format!("took {:?} s, but a job on GitHub takes at most {LONGEST_RUN_SECONDS}", record.wall_seconds)
    })?;
    let of_base = record.base.as_ref().and_then(|base| base.commit.as_ref());
    for commit in record.tool.commit.iter().chain(of_base) {
        require(is_commit(git::clean(commit)), || {
            format!("names {} as a commit, which is not a full commit hash", shown(commit))
        })?;
    }
    Ok(())
}

/// Names and shapes that a configuration takes.
fn shape(case: &Case, caps: &Caps) -> Checked {
    let Workload { name, frames, steps, latent, text_rows, .. } = &case.workload;
    require(is_plain(&case.backend) && is_plain(name), || {
        format!("is of a backend or workload whose name has more than {LONGEST_NAME} characters")
    })?;
    let extents = [frames, text_rows].into_iter().chain(latent);
    let is_shape = extents.into_iter().all(|extent| (1..=LARGEST_EXTENT).contains(extent));
    require(is_shape && (1..=caps.steps).contains(steps), || {
        format!("has a shape that no configuration allows, or a number of steps outside 1 to {}", caps.steps)
    })
}

/// Every list and every text in `document` is of `caps` at most.
fn within(document: &Value, caps: &Caps) -> Checked {
    let text = |text: &str| {
        require(text.len() <= caps.text_bytes, || format!("holds a text of over {} bytes", caps.text_bytes))
    };
    match document {
        Value::String(string) => text(string),
        Value::Array(entries) => {
            require(entries.len() <= caps.list_entries, || format!("holds a list of over {}", caps.list_entries))?;
            entries.iter().try_for_each(|entry| within(entry, caps))
        }
        Value::Object(entries) => entries.iter().try_for_each(|(key, entry)| text(key).and(within(entry, caps))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scenario;

    #[test]
    fn the_founding_tables_cases_with_all_their_quantizations_pass() {
        let record = Scenario::new().record;
        assert_eq!(check(&record, &Caps::default(), record.started), Ok(()));
        let mut beside_base = Scenario::beside_base();
        beside_base.skip("mlx/41f/none", 71);
        assert_eq!(check(&beside_base.record, &Caps::default(), record.started), Ok(()));
        let a_week_before = record.started - SignedDuration::from_hours(7 * 24);
        assert!(check(&record, &Caps::default(), a_week_before).is_err());
    }

    #[test]
    fn a_strangers_text_commands_neither_a_terminal_nor_githubs_log() {
        let text = "\u{1b}[31m\n::error::x ##[set-output name=a;]b é <img> @octocat";
        assert_eq!(shown(text), "??31m?::error::x ???set-output name?a;?b ? ?img? ?octocat");
        assert_eq!(shown(&"x".repeat(10_000)).len(), SHOWN);
    }

    #[test]
    fn plain_names_lead_nowhere_else() {
        assert!(["41f-480p", "apple_m3.json", "a"].into_iter().all(is_plain));
        let long = "x".repeat(LONGEST_NAME + 1);
        assert!(!["", "a/b", "a b", "a\n", "é", "a\0", long.as_str()].into_iter().any(is_plain));
    }
}
