//! What a reviewer should know besides the verdict: the accepted regressions, and what a change relaxes.

use jiff::tz::TimeZone;

use super::Report;
use crate::store::baseline::Acceptance;
use crate::text::format;

/// Stands before what the change loosens, in every rendering.
pub(super) const LOOSENS: &str = "This change also relaxes";

/// The cases whose regression is acknowledged, with the reason and how much it is.
pub(super) fn accepted(report: &Report) -> impl Iterator<Item = (&str, String)> {
    let cases = report.outcome.cases.iter();
    cases.filter_map(|case| Some((case.name.as_str(), describe(case.baseline.as_ref()?.accepted.as_ref()?))))
}

/// What this change makes looser than it is at the base revision; nothing where none was measured beside.
pub(super) fn loosened(report: &Report) -> &[String] {
    report.record.base.as_ref().map_or(&[], |base| &base.loosened)
}

/// `a correct mask costs it (2026-03-01, step time +5.1%)`.
fn describe(accepted: &Acceptance) -> String {
    let date = accepted.date.to_zoned(TimeZone::UTC).date();
    let change = accepted.change.map_or_else(String::new, |change| format!(", step time {}", format::percent(change)));
    format!("{} ({date}{change})", accepted.reason)
}
