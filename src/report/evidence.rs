//! What stands behind the judgement beside the figures: the base revision, the control, the canary, the anchors.

use std::collections::BTreeSet;

use super::{Report, drift, environment, short};
use crate::config::display_name;
use crate::gate::Control;
use crate::store::record::{BaseRevision, Canary, CanaryShift, CaseRecord, PairedProfile};
use crate::text::format;

/// Each with its name, in plain words.
pub(super) fn lines(report: &Report) -> Vec<(&'static str, String)> {
    let record = &report.record;
    let mut lines: Vec<(&str, String)> = record.base.iter().map(|base| ("Base", of_base(base))).collect();
    lines.extend(report.outcome.controls.iter().map(|control| ("Control", of_control(control))));
    lines.extend(record.canary.iter().map(|canary| ("Canary", of_canary(canary))));
    lines.extend(record.cases.iter().filter_map(of_profile).map(|words| ("Profile", words)));
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

/// A case that was to be profiled beside the base revision and could not be, or not as often as planned.
fn of_profile(case: &CaseRecord) -> Option<String> {
    match &case.paired_profile {
        Some(PairedProfile::Failed(failure)) => {
            Some(format!("{} could not be profiled beside the base revision: {}", case.case.name, failure.reason))
        }
        Some(PairedProfile::Partly { pairs, failure }) => Some(format!(
            "{} was profiled beside the base revision in no more than {} of processes: {}",
            case.case.name,
            format::count(pairs.len(), "pair"),
            failure.reason
        )),
        Some(PairedProfile::Profiled(_)) | None => None,
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

/// What it takes, and what became of the blocks before which it took longer.
fn of_canary(canary: &Canary) -> String {
    let Canary { cold_seconds, tolerance_percent, dropped, shifts, unrested, failed, .. } = canary;
    let mut parts =
        vec![format!("a step of {} on {} at rest", format::seconds(*cold_seconds), display_name(&canary.backend))];
    let postponed: BTreeSet<(&str, usize)> = dropped.iter().map(|it| (it.workload.as_str(), it.block)).collect();
    match postponed.len() {
        0 if unrested.is_empty() => {
            parts.push(format!("no block was started while it was over {tolerance_percent}% slower"));
        }
        0 => {}
        blocks => {
            let blocks = format::count(blocks, "block");
            parts.push(format!("{blocks} postponed while it was over {tolerance_percent}% slower"));
        }
    }
    let before = |workload: &str, block: usize| format!("block {} of {workload}", block + 1);
    let shift = |it: &CanaryShift| {
        let (from, to) = (format::seconds(it.from_seconds), format::seconds(it.to_seconds));
        format!("from {from} to {to} before {}", before(&it.workload, it.block))
    };
    if !shifts.is_empty() {
        parts.push(format!("it moved {}", some(shifts.iter().map(shift))));
    }
    if !unrested.is_empty() {
        let blocks = some(unrested.iter().map(|it| before(&it.workload, it.block)));
        parts.push(format!("{} began before it came to rest ({blocks})", format::count(unrested.len(), "block")));
    }
    if let Some(failed) = failed {
        parts.push(format!("the blocks from there on began without it, since it failed {failed}"));
    }
    parts.join("; ")
}

fn some(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    format::some_names(&words.iter().map(String::as_str).collect::<Vec<_>>())
}
