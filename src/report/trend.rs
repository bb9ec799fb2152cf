//! How the speedup of changed cases went over the baseline's jobs up to now, as Mermaid charts.

use jiff::tz::TimeZone;

use super::Report;
use super::escape::{fenced, harmless};
use crate::format;
use crate::gate::{Compared, Metric, Verdict};

/// Characters of a case's name in a chart.
const NAME_LENGTH: usize = 80;

/// A chart for each case whose speed changed; `None` where none has a history.
pub(super) fn charts(report: &Report) -> Option<String> {
    let changed = report.comparison.cases.iter().filter(|case| has_changed(case));
    let charts: Vec<String> = changed.filter_map(chart).collect();
    (!charts.is_empty()).then(|| charts.join("\n"))
}

fn has_changed(case: &Compared) -> bool {
    case.findings.iter().filter(|finding| matches!(finding.metric, Metric::Speedup | Metric::StepTime)).any(|finding| {
        finding.fails || finding.is_drift || matches!(finding.verdict, Verdict::Regressed | Verdict::Improved)
    })
}

fn chart(case: &Compared) -> Option<String> {
    let now = case.now.as_ref()?.speedup.as_ref()?.point;
    let jobs = case.baseline.as_ref()?.jobs.iter();
    let past = jobs.filter_map(|job| Some((job.date.to_zoned(TimeZone::UTC).date(), job.mean_log_speedup?.exp())));
    let (dates, mut speedups): (Vec<_>, Vec<f64>) = past.unzip();
    if dates.is_empty() {
        return None;
    }
    speedups.push(now);
    let bounds = speedups.iter().fold((f64::INFINITY, 0.0), |(low, high), value| (value.min(low), value.max(high)));
    let labels: Vec<String> = dates.iter().map(|date| format!("\"{date}\"")).chain(["\"now\"".to_owned()]).collect();
    let values: Vec<String> = speedups.iter().map(|value| format!("{value:.4}")).collect();
    let lines = [
        "xychart-beta".to_owned(),
        format!("title \"{}: speedup, now {}\"", harmless(&case.name, NAME_LENGTH), format::speedup(now)),
        format!("x-axis [{}]", labels.join(", ")),
        // Room above and below, or a flat line would lie on the frame.
        format!("y-axis {:.4} --> {:.4}", 0.95 * bounds.0, 1.05 * bounds.1),
        format!("line [{}]", values.join(", ")),
    ];
    Some(fenced("mermaid", &lines))
}
