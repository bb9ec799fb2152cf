//! The reason that somebody gives for what is committed.

use crate::session::status::{Error, Result};

/// Longest reason, in characters: it stands in every report.
const LONGEST: usize = 500;

/// The text of `--reason`, if it is one line of some length.
pub(super) fn checked_reason(reason: &str) -> Result<&str> {
    let reason = reason.trim();
    let fault = match reason.chars().count() {
        0 => "is empty: say why it is acceptable".to_owned(),
        length if length > LONGEST => format!("has {length} characters: at most {LONGEST} are allowed"),
        _ if reason.chars().any(char::is_control) => "is not a single line of plain text".to_owned(),
        _ => return Ok(reason),
    };
    Err(Error::usage(format!("--reason {fault}")))
}
