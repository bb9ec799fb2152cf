//! How far a machine has drifted from its anchors, in one line: what no single change shows.

use jiff::tz::TimeZone;

use super::Report;
use crate::gate::{Against, Figure, Finding, Judged};

/// The greatest drift of a speed and of a peak, each with its case and the anchor's date; `None` where nothing was recorded
/// since the anchors.
pub(super) fn line(report: &Report) -> Option<String> {
    let speed = greatest(report, &[Figure::Speedup, Figure::StepTime]);
    let memory = greatest(report, &[Figure::ProcessPeak, Figure::FrameworkPeak]);
    let parts: Vec<String> = [("speed", speed), ("memory", memory)]
        .into_iter()
        .filter_map(|(what, greatest)| {
            let (case, finding) = greatest?;
            let date = case.baseline.as_ref()?.anchor.as_ref()?.date.to_zoned(TimeZone::UTC).date();
            let change = finding.change?;
            Some(format!("{change} in {what} ({} of {}, anchor of {date})", finding.figure, case.name))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("since the anchors at most {}", parts.join(" and ")))
}

/// The finding that is furthest on the worse side of its anchor.
fn greatest<'a>(report: &'a Report, figures: &[Figure]) -> Option<(&'a Judged, &'a Finding)> {
    let drifts =
        report.outcome.findings().filter(|(_, it)| it.against == Against::Anchor && figures.contains(&it.figure));
    let changed = drifts.filter_map(|(case, finding)| Some((case, finding, finding.change?.0)));
    changed.max_by(|one, other| one.2.total_cmp(&other.2)).map(|(case, finding, _)| (case, finding))
}
