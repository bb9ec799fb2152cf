//! Words that several judgements share.

use jiff::tz::TimeZone;

use crate::evidence::quantity::Change;
use crate::store::baseline::Anchor;
use crate::text::format;

/// What a figure that grows when it gets worse has done.
pub(super) fn direction(change: Change) -> &'static str {
    match change.0 {
        // What is printed as 0.0% is no direction.
        change if change < -0.000_5 => "fell from",
        change if change > 0.000_5 => "rose from",
        _ => "went from",
    }
}

/// On which side of a tolerance in percent a change is.
pub(super) fn side(change: Change, tolerance_percent: f64) -> &'static str {
    if change.is_beyond(tolerance_percent) { "beyond" } else { "within" }
}

/// `+5.1% (95%: +4.3% to +5.9%)`.
pub(super) fn with_interval(change: Change, interval: Option<(Change, Change)>) -> String {
    match interval {
        Some((low, high)) => format!("{change} (95%: {low} to {high})"),
        None => change.to_string(),
    }
}

/// That fewer launches were made than planned.
pub(super) fn short_of(launches: usize, planned: usize) -> String {
    format!("; only {launches} of the {} planned were made", format::launches(planned))
}

/// What a change against the anchor is, and the way out.
pub(super) const SINCE_ANCHOR: &str = "; it is what all changes since then add up to: find them, or, if they are intended, move the \
                                       anchor with `wanbench baseline anchor --reason …`";

/// `the anchor of 2026-03-01`.
pub(super) fn anchor_of(anchor: &Anchor) -> String {
    format!("the anchor of {}", anchor.date.to_zoned(TimeZone::UTC).date())
}
