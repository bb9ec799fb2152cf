//! The input of the action github-action-benchmark, with `tool: customSmallerIsBetter`.
//!
//! That file is either of figures of which smaller is better or of others. A speedup is one of the others, and left out: it
//! is the quotient of two step times that are both there.

use serde::Serialize;

use super::super::Report;
use super::exported::{Exported, FIGURES, Unit, machine, measured, step_range};
use crate::gate::Judged;
use crate::text::escape::{self, one_line};
use crate::text::format;

#[derive(Serialize)]
struct Entry {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// An entry for each figure of each measured case, but for speedups.
///
/// # Panics
/// Never: all keys are strings.
pub fn render(report: &Report) -> String {
    let entries = measured(report).flat_map(|(case, now)| {
        FIGURES.iter().filter_map(move |figure| {
            let (unit, value) = (unit(figure.unit)?, (figure.value)(now)?);
            let extra = format!(
                "{} on {}, {}",
                one_line(&report.record.suite),
                machine(report),
                format::launches(now.launches)
            );
            let name = format!("{}: {}", one_line(&case.name), figure.name);
            Some(Entry { name, unit, value, range: range(report, case, figure), extra })
        })
    });
    let entries: Vec<Entry> = entries.collect();
    escape::json_document(&entries)
}

/// As the charts write it; `None` where larger is better.
fn unit(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::Seconds => Some("s"),
        Unit::Bytes => Some("B"),
        Unit::Ratio => None,
    }
}

/// Half the difference of the slowest and the fastest launch.
fn range(report: &Report, case: &Judged, figure: &Exported) -> Option<String> {
    let (least, greatest) = step_range(report, case).filter(|_| figure.key == "step_seconds")?;
    Some(format!("± {:.3e}", (greatest - least) / 2.0))
}
