//! What stands behind the judgement beside the figures: the base revision, the control, the canary, the anchors.

use super::{Report, drift, environment, short};
use crate::config::display_name;
use crate::gate::Control;
use crate::store::record::{BaseRevision, Canary};
use crate::text::format;

/// Each with its name, in plain words.
pub(super) fn lines(report: &Report) -> Vec<(&'static str, String)> {
    let record = &report.record;
    let mut lines: Vec<(&str, String)> = record.base.iter().map(|base| ("Base", of_base(base))).collect();
    lines.extend(report.outcome.controls.iter().map(|control| ("Control", of_control(control))));
    lines.extend(record.canary.iter().map(|canary| ("Canary", of_canary(canary))));
    lines.extend(drift::line(report).map(|line| ("Drift", line)));
    lines.extend(environment::line(report).map(|line| ("Environment", line)));
    lines
}

fn of_base(base: &BaseRevision) -> String {
    match &base.commit {
        Some(commit) if commit.starts_with(&base.name) => short(commit),
        Some(commit) => format!("{} ({})", base.name, short(commit)),
        None => format!("the workers in {}", base.name),
    }
}

fn of_control(control: &Control) -> String {
    let Control { case, difference, launches, .. } = control;
    let blocks = match launches {
        1 => "one block".to_owned(),
        blocks => format!("each of {blocks} blocks"),
    };
    format!("{case}, launched twice in {blocks}, differs from itself by {}", format::percent(difference.exp_m1()))
}

fn of_canary(canary: &Canary) -> String {
    let rest =
        format!("a step of {} on {} at rest", format::seconds(canary.cold_seconds), display_name(&canary.backend));
    match canary.dropped.len() {
        0 => format!("{rest}; no block was started while it was over {}% slower", canary.tolerance_percent),
        dropped => format!(
            "{rest}; {} postponed while it was over {}% slower",
            format::count(dropped, "block"),
            canary.tolerance_percent
        ),
    }
}
