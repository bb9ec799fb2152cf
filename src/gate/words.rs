//! Words that several judgements share.

use crate::evidence::quantity::Change;

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
