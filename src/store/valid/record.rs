//! The record of a run: its launches, cases and canary.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::{bytes, digest, known, not_negative, rates, seconds, step_seconds, steps, work};
use super::{Checked, require};
use crate::config::{Case, Workload};
use crate::protocol::DeviceKind;
use crate::store::record::{
    ArmKind, Canary, CaseRecord, Launch, Measured, Outcome, PairedProfile, ProfiledPair, ProfiledPasses, RunRecord,
    Skipped, WAKES,
};
use crate::text::escape::is_plain;
use crate::wan::Quant;

/// Launches of an arm that the command line allows at most: what is computed from their number stays quick.
const MOST_LAUNCHES: usize = u16::MAX as usize;

/// Whether a run can have written `record`: no case twice, each named for what it is and with its reference beside it;
/// launches where they belong, of rising blocks, with figures that can be true.
///
/// # Errors
/// The case, the launch, the figure and its value.
pub fn run(record: &RunRecord) -> Checked {
    require((1..=MOST_LAUNCHES).contains(&record.launches), || {
        format!("launches is {}, which is not from 1 to {MOST_LAUNCHES}", record.launches)
    })?;
    not_negative("wall_seconds", record.wall_seconds)?;
    record.canary.iter().try_for_each(|it| canary(it).map_err(|reason| format!("canary: {reason}")))?;
    let mut names = BTreeSet::new();
    let mut workloads: BTreeMap<&str, &Workload> = BTreeMap::new();
    for case in &record.cases {
        let (name, workload) = (&case.case.name, &case.case.workload);
        require(names.insert(name), || format!("case {name} appears twice"))?;
        require(*workloads.entry(&workload.name).or_insert(workload) == workload, || {
            format!(
                "case {name}: another case has a different shape or number of steps for the workload {}",
                workload.name
            )
        })?;
        case_record(record, case).map_err(|reason| format!("case {name}: {reason}"))?;
    }
    Ok(())
}

fn canary(canary: &Canary) -> Checked {
    step_seconds("cold_seconds", canary.cold_seconds)?;
    not_negative("tolerance_percent", canary.tolerance_percent)?;
    canary.reading_seconds.iter().try_for_each(|reading| step_seconds("reading_seconds", *reading))?;
    let workload =
        |of: &str, name: &String| require(is_plain(name), || not_plain(&format!("the workload of {of}"), name));
    canary.dropped.iter().try_for_each(|dropped| {
        workload("a dropped block", &dropped.workload)?;
        step_seconds("canary_seconds", dropped.canary_seconds)
    })?;
    canary.shifts.iter().try_for_each(|shift| {
        workload("a shift", &shift.workload)?;
        step_seconds("from_seconds", shift.from_seconds)?;
        step_seconds("to_seconds", shift.to_seconds)
    })?;
    canary.unrested.iter().try_for_each(|unrested| {
        workload("an unrested block", &unrested.workload)?;
        step_seconds("canary_seconds", unrested.canary_seconds)
    })
}

fn case_record(record: &RunRecord, case: &CaseRecord) -> Checked {
    identity(record, &case.case)?;
    if let Some(it) = &case.work {
        work("flops", it.flops)?;
        work("bytes", it.bytes)?;
    }
    skipped(case)?;
    arms(record, case)?;
    let mut parities = [case.parity, case.base_parity].into_iter().flatten();
    parities.try_for_each(|parity| known("relative_error", parity.relative_error, not_negative))?;
    let pairs = case.paired_profile.as_ref().map_or(&[][..], PairedProfile::pairs);
    require(pairs.is_empty() || !case.base_launches.is_empty(), || {
        "it was profiled beside a base that was not launched".to_owned()
    })?;
    pairs.iter().try_for_each(|pair| profiled_pair(pair).map_err(|reason| format!("paired_profile: {reason}")))
}

/// Whether both processes have as many passes, and the same parts.
///
/// # Errors
/// What they differ in, or the figure that cannot be true.
pub fn profiled_pair(ProfiledPair { head, base }: &ProfiledPair) -> Checked {
    let parts = |passes: &ProfiledPasses| -> Vec<_> { passes.parts.iter().map(|it| (it.kind, it.in_blocks)).collect() };
    let kinds = parts(head);
    require(!kinds.is_empty() && kinds.iter().collect::<BTreeSet<_>>().len() == kinds.len(), || {
        "a part appears twice, or there is none".to_owned()
    })?;
    require(kinds == parts(base), || "head and the base revision have different parts".to_owned())?;
    for passes in [head, base] {
        steps(&passes.step_seconds)?;
        require(passes.step_seconds.len() == head.step_seconds.len(), || {
            "head and the base revision have different numbers of passes".to_owned()
        })?;
        for part in &passes.parts {
            let (name, has, passes) = (part.kind.name(), part.seconds.len(), passes.step_seconds.len());
            require(has == passes, || format!("{name} has {has} times for {passes} passes"))?;
            part.seconds.iter().try_for_each(|it| seconds(name, *it))?;
        }
    }
    Ok(())
}

/// A name is built of what the case is, and its reference is the unquantized case beside it.
fn identity(record: &RunRecord, case: &Case) -> Checked {
    require(is_plain(&case.backend), || not_plain("backend", &case.backend))?;
    require(is_plain(&case.workload.name), || not_plain("workload", &case.workload.name))?;
    let rebuilt = Case::new(&case.backend, case.workload.clone(), case.quant, case.dtype).name;
    require(case.name == rebuilt, || format!("its name does not match its content, {rebuilt}"))?;
    require(case.workload.steps > 0, || "steps is 0".to_owned())?;
    let Some(reference) = &case.reference else { return Ok(()) };
    let is_beside = record.case(reference).is_some_and(|CaseRecord { case: other, .. }| {
        other.is_reference()
            && other.quant == Quant::None
            && (&other.workload, other.dtype) == (&case.workload, case.dtype)
    });
    require(is_beside, || format!("reference is {reference:?}, but the run has no such reference"))
}

fn not_plain(what: &str, name: &str) -> String {
    format!("{what} is {name:?}: only letters, digits, -, _ and . are allowed")
}

/// A skipped case had too little memory, and nothing was launched of it.
fn skipped(case: &CaseRecord) -> Checked {
    let Some(skipped) = case.skipped else { return Ok(()) };
    if let Skipped::Memory { needs_bytes: needs, has_bytes: has } = skipped {
        require(needs > has, || format!("it was skipped for lack of memory, but needs {needs} of {has} bytes"))?;
    }
    require(ArmKind::ALL.into_iter().all(|kind| case.launches_of(kind).is_empty()), || {
        "it was skipped, but has launches".to_owned()
    })
}

/// Launches of one arm are of rising blocks; the base revision's are only where there is one.
fn arms(record: &RunRecord, case: &CaseRecord) -> Checked {
    require(case.base_launches.is_empty() || record.base.is_some(), || {
        "it has launches of a base revision, but the run had no base".to_owned()
    })?;
    for (kind, name) in
        [(ArmKind::Head, "launch"), (ArmKind::Base, "base launch"), (ArmKind::Control, "control launch")]
    {
        let launches = case.launches_of(kind);
        let are_in_order = launches.windows(2).all(|pair| pair[0].block < pair[1].block);
        let are_planned = launches.last().is_none_or(|last| last.block < record.launches);
        require(are_in_order && are_planned, || {
            let blocks: Vec<String> = launches.iter().map(|launch| launch.block.to_string()).collect();
            format!("its {name}es are of the blocks {}, not of one planned block each", blocks.join(", "))
        })?;
        for launch in launches {
            let checked = self::launch(record.device, &case.case, launch);
            let checked = checked.and_then(|()| wake_passes(record, launch));
            checked.map_err(|reason| format!("{name} of block {}: {reason}", launch.block))?;
        }
    }
    Ok(())
}

/// Whether a launch had wake passes where the run says so, and nowhere else.
fn wake_passes(record: &RunRecord, launch: &Launch) -> Checked {
    let Outcome::Measured(measured) = &launch.outcome else { return Ok(()) };
    require(measured.wake_seconds.is_empty() != record.wakes(), || match record.wakes() {
        true => format!("it has no wake passes, but the environment says {WAKES}"),
        false => format!("it has wake passes, but the environment does not say {WAKES}"),
    })
}

fn launch(device: DeviceKind, case: &Case, launch: &Launch) -> Checked {
    seconds("wall_seconds", launch.wall_seconds)?;
    match &launch.outcome {
        Outcome::Measured(launch) => measured(device, case, launch),
        Outcome::Failed(_) => Ok(()),
    }
}

fn measured(device: DeviceKind, case: &Case, launch: &Measured) -> Checked {
    let kind = launch.device.kind;
    require(kind == device, || format!("it ran on the {}, but the run on the {}", kind.name(), device.name()))?;
    bytes("model_bytes", launch.model_bytes)?;
    seconds("startup_seconds", launch.startup_seconds)?;
    seconds("load_seconds", launch.load_seconds)?;
    known("quantize_seconds", launch.quantize_seconds, seconds)?;
    known("load_peak_bytes", launch.load_peak_bytes, bytes)?;
    seconds("warmup_seconds", launch.warmup_seconds)?;
    steps(&launch.step_seconds)?;
    require(launch.step_seconds.len() == case.workload.steps, || {
        let (steps, planned) = (launch.step_seconds.len(), case.workload.steps);
        format!("step_seconds has {steps} steps, but the workload {planned}")
    })?;
    require(launch.wake_seconds.is_empty() || launch.wake_seconds.len() == case.workload.steps, || {
        let (passes, planned) = (launch.wake_seconds.len(), case.workload.steps);
        format!("wake_seconds has {passes} passes, but the workload {planned} steps")
    })?;
    launch.wake_seconds.iter().try_for_each(|it| step_seconds("wake_seconds", *it))?;
    known("switch_seconds", launch.switch_seconds, seconds)?;
    require(launch.switch_seconds.is_none() || case.workload.experts.second().is_some(), || {
        "it has switch_seconds, but its workload has only one network".to_owned()
    })?;
    launch.rates.iter().try_for_each(rates)?;
    known("framework_peak_bytes", launch.framework_peak_bytes, bytes)?;
    known("process_peak_bytes", launch.process_peak_bytes, bytes)?;
    launch.output.iter().try_for_each(digest)
}
