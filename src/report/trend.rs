//! A case's speedup over the jobs in its baseline and today, as a Mermaid chart, which GitHub draws.
//!
//! Mermaid escapes little inside a string and obeys directives anywhere, so only harmless letters reach it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Report;
use crate::gate::{Figure, Judged, Verdict};
use crate::text::escape::{fenced, harmless};

/// Mermaid's own line is hardly seen on white; this blue is on either of GitHub's grounds.
pub(super) const LINE_COLOR: &str = r##"%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#2f81f7"}}}}%%"##;

/// Longest title, in characters.
const TITLE_LENGTH: usize = 60;

/// Speedups that a chart can show; what is beyond is no measurement.
const SPEEDUPS: std::ops::Range<f64> = 1e-3..1e4;

/// The changed cases that have a trend, the failing ones first: each one's name and its chart.
pub(super) fn charts(report: &Report) -> Vec<(&str, String)> {
    let mut changed: Vec<(&Judged, bool)> =
        report.outcome.cases.iter().filter_map(|case| Some((case, speed_fails(case)?))).collect();
    changed.sort_by_key(|(_, fails)| !fails);
    changed.into_iter().filter_map(|(case, _)| Some((case.name.as_str(), chart(report, case)?))).collect()
}

/// Whether the gate fails on the case's speed; `None` where its speed did not change.
fn speed_fails(case: &Judged) -> Option<bool> {
    let speeds = case.findings.iter().filter(|finding| matches!(finding.figure, Figure::StepTime | Figure::Speedup));
    let changed =
        speeds.filter(|finding| finding.fails || matches!(finding.verdict, Verdict::Regressed | Verdict::Improved));
    changed.map(|finding| finding.fails).reduce(|any, fails| any || fails)
}

/// `None` without a speedup today, or in an earlier job.
fn chart(report: &Report, case: &Judged) -> Option<String> {
    let jobs = case.baseline.iter().flat_map(|stored| &stored.jobs).filter(|job| job.date < report.record.started);
    let mut labels = Labels::default();
    let mut points: Vec<(String, f64)> = jobs
        .filter_map(|job| Some((job.date, job.mean_log_speedup?.exp())))
        .filter(|(_, speedup)| SPEEDUPS.contains(speedup))
        .map(|(date, speedup)| (labels.of(date.to_zoned(TimeZone::UTC).date()), speedup))
        .collect();
    let now = case.now.as_ref()?.speedup?.point;
    if points.is_empty() || !SPEEDUPS.contains(&now) {
        return None;
    }
    points.push(("now".to_owned(), now));
    let speedups = || points.iter().map(|(_, speedup)| *speedup);
    let (low, high) = (speedups().fold(f64::INFINITY, f64::min), speedups().fold(0.0, f64::max));
    let labels: Vec<String> = points.iter().map(|(label, _)| format!("\"{label}\"")).collect();
    let values: Vec<String> = speedups().map(|speedup| format!("{speedup:.4}")).collect();
    let lines = [
        LINE_COLOR.to_owned(),
        "xychart-beta".to_owned(),
        format!("title \"Speedup of {}, job by job\"", harmless(&case.name, TITLE_LENGTH)),
        format!("x-axis [{}]", labels.join(", ")),
        format!("y-axis \"Speedup\" {:.4} --> {:.4}", 0.95 * low, 1.05 * high),
        format!("line [{}]", values.join(", ")),
    ];
    Some(fenced("mermaid", &lines))
}

/// Dates as labels. Mermaid draws points of one label at one place, so a date's second job is told from its first.
#[derive(Default)]
struct Labels {
    seen: BTreeMap<String, usize>,
}

impl Labels {
    /// `02-27`, and `02-27 (2)` for the second.
    fn of(&mut self, date: Date) -> String {
        let day = date.strftime("%m-%d").to_string();
        let number = self.seen.entry(day.clone()).or_default();
        *number += 1;
        if *number == 1 { day } else { format!("{day} ({number})") }
    }
}
