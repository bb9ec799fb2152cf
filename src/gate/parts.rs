//! Which part of a step made it slower beside the base revision: what is profiled, and what that tells.

use std::collections::BTreeMap;

use super::control::{controls, is_unfit};
use super::outcome::{Against, Figure, Finding, Verdict};
use super::questions::Answers;
use super::speed::Decision;
use super::words::with_interval;
use crate::config::Thresholds;
use crate::evidence::Evidence;
use crate::evidence::parts::{PartChange, PartChanges, Shift};
use crate::store::record::RunRecord;
use crate::text::format;

/// A part that takes less than this share of the base revision's step is named only where it moved.
const LEAST_NAMED: f64 = 0.05;

/// The names of the cases of `record` worth a paired profile: of each backend the one whose step time rose by most beside the base
/// revision, if any did. Not those of two networks, since a profile is of one, and not those that only some slow steps made slower: a
/// process's fastest passes do not show these.
pub fn worth_profiling(record: &RunRecord, thresholds: &Thresholds) -> Vec<String> {
    let evidence = Evidence::of(record);
    let answers = Answers::of(record, &evidence, None, thresholds, record.launches);
    let controls = controls(record, &evidence, thresholds);
    let mut worst: BTreeMap<&str, (f64, &str)> = BTreeMap::new();
    let one_network = record.cases.iter().filter(|case| case.case.workload.experts.second().is_none());
    for case in one_network.filter(|case| !is_unfit(&controls, &case.case.workload.name)) {
        let Some(of_case) = answers.beside_base.get(&case.case.name) else { continue };
        let slower = of_case.get(&Figure::StepTime).filter(|answer| answer.decision == Decision::Slower);
        let Some(change) = slower.map(|answer| answer.change) else { continue };
        let worst = worst.entry(&case.case.backend).or_insert((change, &case.case.name));
        if change > worst.0 {
            *worst = (change, &case.case.name);
        }
    }
    worst.into_values().map(|(_, name)| name.to_owned()).collect()
}

/// Adds to the finding about a slower step which part of it that is.
pub(super) fn explain(findings: &mut [Finding], changes: &PartChanges) {
    let is_slower_step = |finding: &&mut Finding| {
        (finding.figure, finding.against, finding.verdict) == (Figure::StepTime, Against::Base, Verdict::Regressed)
    };
    if let Some(finding) = findings.iter_mut().find(is_slower_step) {
        finding.message.push_str(&words(changes));
    }
}

/// `; by part: FFN +16.2% (95%: +14.1% to +18.3%), self-attention +0.1% ±0.4%; FFN accounts for +480 µs of the step's +482 µs`.
fn words(changes: &PartChanges) -> String {
    if !changes.is_slower() {
        return "; profiled beside the base revision, the slowdown did not show, so no part of it is named".to_owned();
    }
    let moved = changes.moved();
    let is_named = |part: &&PartChange| {
        !part.has_moved && part.shift.base.0.max(part.shift.head.0) >= LEAST_NAMED * changes.step.base.0
    };
    let parts = moved.iter().copied().chain(changes.parts.iter().filter(is_named)).map(of_part);
    let by_part = parts.collect::<Vec<_>>().join(", ");
    let added = |shift: &Shift| format::signed_seconds(shift.difference.0);
    let step = added(&changes.step);
    let sum = match moved.as_slice() {
        _ if !changes.agree() => format!(
            "; but together the parts, timed one by one, took {} where the step took {step}, so look between them or in how the \
             step is launched as well",
            added(&changes.sum)
        ),
        [] => "; no part is known to have moved".to_owned(),
        moved => {
            let accounts = moved.iter().map(|part| format!("{} accounts for {}", part.name(), added(&part.shift)));
            format!("; {} of the step's {step}", accounts.collect::<Vec<_>>().join(", "))
        }
    };
    format!("; by part: {by_part}{sum}")
}

fn of_part(part: &PartChange) -> String {
    let (name, Shift { change, interval, .. }) = (part.name(), part.shift);
    let change = match change {
        None => format::signed_seconds(part.shift.difference.0),
        Some(change) if part.has_moved => with_interval(change, interval),
        Some(change) => change.with_half_width(interval),
    };
    format!("{name} {change}")
}
