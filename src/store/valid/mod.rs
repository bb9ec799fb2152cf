//! What can be true: the rules of a figure, a launch, a record, a baseline and an entry of the history, each in one place. Pure.
//!
//! A worker's events are held to them when they arrive, files when they are read, artifacts and imported reports too: so
//! nothing is written that will not be read. An error is the reason, with the figure's name and its value.

mod baseline;
mod figure;
mod history;
mod record;

pub use baseline::{baseline, model_memory};
pub use figure::event;
pub use history::entry;
pub use record::{profiled_pair, run};

/// Bytes of the longest text in a committed file: more than anybody reads.
const LONGEST_TEXT: usize = 10_000;

/// Nothing, or what cannot be true.
pub type Checked = Result<(), String>;

/// Nothing where it `holds`, else the reason.
pub(crate) fn require(holds: bool, reason: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Whether all texts in the JSON of a committed file are of some length: they are shown.
///
/// # Errors
/// The length of one that is not.
pub fn texts(json: &str) -> Checked {
    let (mut length, mut is_text, mut is_escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            b'"' if !is_escaped => (length, is_text) = (0, !is_text),
            _ => length += usize::from(is_text),
        }
        is_escaped = is_text && byte == b'\\' && !is_escaped;
        require(length <= LONGEST_TEXT, || format!("it holds a text of over {LONGEST_TEXT} bytes"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_some_length_whatever_is_in_it() {
        let of = |text: &str| texts(&format!(r#"{{"a": "{text}", "b": 1}}"#));
        assert_eq!(of(&r#"\\\"x"#.repeat(1_000)), Ok(()));
        assert_eq!(of(&"x".repeat(LONGEST_TEXT)), Ok(()));
        assert!(of(&"x".repeat(LONGEST_TEXT + 1)).unwrap_err().contains("10000 bytes"));
        assert!(texts(&format!(r#"{{"{}": 1}}"#, "x".repeat(LONGEST_TEXT + 1))).is_err(), "a key too");
        assert_eq!(texts(&format!("{{{}}}", " ".repeat(2 * LONGEST_TEXT))), Ok(()));
    }
}
