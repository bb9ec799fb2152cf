//! What a record from outside must be before anything is computed from it. Pure.
//!
//! Reading a [`RunRecord`] is strict about its form already: unknown and repeated keys, numbers beyond what JSON's
//! types hold and a depth beyond any record's are errors there. Here is refused what no run of wanbench writes: figures
//! that would overflow, arms that do not belong together, names that are not built by the rules. An error is the
//! reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::artifact::Caps;
use super::event::is_commit;
use crate::config::{Case, Workload};
use crate::protocol::Rates;
use crate::store::record::{Canary, CaseRecord, Launch, Measured, Outcome, Role, RunRecord, Skipped};
use crate::wan::Quant;

/// A step takes at least a nanosecond, which no clock here tells apart from nothing …
const SHORTEST_STEP_SECONDS: f64 = 1e-9;

/// … and no time is longer than GitHub lets a job run on a machine of one's own: 5 days. So no ratio of two overflows.
const LONGEST_SECONDS: f64 = 5.0 * 86_400.0;

/// No machine here does as many operations a second, or moves as many bytes. A rate is at least 1, so that no share of
/// it overflows.
const FASTEST_RATE: f64 = 1e18;

/// As far may two clocks be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(24);

/// The most that a configuration takes for what is not a count of launches or steps, such as frames and text rows.
const LARGEST_EXTENT: usize = 1_000_000;

/// Longest name of a file, a backend or a workload, in bytes.
const LONGEST_NAME: usize = 100;

/// Most characters of a stranger's text in a message.
const SHOWN: usize = 500;

type Checked = Result<(), String>;

/// Whether an honest run can have written `record`, as of `now`.
pub(super) fn check(record: &RunRecord, caps: &Caps, now: Timestamp) -> Checked {
    header(record, caps, now)?;
    record.canary.as_ref().map_or(Ok(()), canary)?;
    let mut names = BTreeSet::new();
    let mut workloads: BTreeMap<&str, &Workload> = BTreeMap::new();
    for case in &record.cases {
        let name = shown(&case.case.name);
        identity(record, &case.case, caps).map_err(|reason| format!("the case {name} {reason}"))?;
        require(names.insert(&case.case.name), || format!("the case {name} is there twice"))?;
        let workload = &case.case.workload;
        require(*workloads.entry(&workload.name).or_insert(workload) == workload, || {
            format!("two workloads of other shapes are named {}", workload.name)
        })?;
        let sound = work(case).and_then(|()| skipped(case)).and_then(|()| arms(record, case));
        sound.map_err(|reason| format!("the case {name} {reason}"))?;
    }
    // Key by key, so that a new list or text cannot be forgotten.
    let document = serde_json::to_value(record).map_err(|error| shown(&error.to_string()))?;
    within(&document, caps)
}

/// `text` for a message: what of it has a meaning for a terminal, or in a log of GitHub Actions, is a question mark.
///
/// Their log takes a line that begins with two colons for a command, and what follows `##[` anywhere in one.
pub(super) fn shown(text: &str) -> String {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || " -_./,:;()`'\"".contains(letter);
    text.chars().take(SHOWN).map(|letter| if harmless(letter) { letter } else { '?' }).collect()
}

/// Whether `text` can be part of a path or of a case's name.
pub(super) fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(plain)
}

fn require(holds: bool, reason: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(reason()) }
}

fn header(record: &RunRecord, caps: &Caps, now: Timestamp) -> Checked {
    let counts = [
        ("cases", record.cases.len(), caps.cases),
        ("launches", record.launches, caps.launches),
        ("warm-up steps", record.warmup_steps as usize, caps.steps),
    ];
    for (what, count, most) in counts {
        require((1..=most).contains(&count), || format!("has {count} {what}, which is not from 1 to {most}"))?;
    }
    require(record.started.duration_since(now) <= CLOCKS_APART, || {
        format!("began at {}, which is in the future: set the clock of the machine that measured", record.started)
    })?;
    require(is_time(record.wall_seconds), || format!("took {} s, which is no time of a run", record.wall_seconds))?;
    let of_base = record.base.as_ref().and_then(|base| base.commit.as_ref());
    for commit in record.tool.commit.iter().chain(of_base) {
        require(is_commit(commit), || format!("names {} as a commit, which is no whole commit's name", shown(commit)))?;
    }
    Ok(())
}

fn canary(canary: &Canary) -> Checked {
    let dropped = canary.dropped.iter().map(|dropped| &dropped.canary_seconds);
    let mut times = canary.reading_seconds.iter().chain(dropped).chain([&canary.cold_seconds]);
    require(times.all(|seconds| is_step(*seconds)) && canary.tolerance_percent >= 0.0, || {
        "has a canary whose times or tolerance cannot be".to_owned()
    })?;
    require(canary.dropped.iter().all(|dropped| is_plain(&dropped.workload)), || {
        "has a dropped block of a workload whose name is not of letters, digits, - and _".to_owned()
    })
}

/// A name is built of what the case is, and its reference is the unquantized case beside it.
fn identity(record: &RunRecord, case: &Case, caps: &Caps) -> Checked {
    let Workload { name, frames, steps, latent, text_rows, .. } = &case.workload;
    require(is_plain(&case.backend) && is_plain(name), || {
        "is of a backend or workload whose name is not of letters, digits, - and _".to_owned()
    })?;
    let rebuilt = Case::new(&case.backend, case.workload.clone(), case.quant, case.dtype).name;
    require(case.name == rebuilt, || format!("is not named for what it is, {rebuilt}"))?;
    let extents = [frames, text_rows].into_iter().chain(latent);
    let is_shape = extents.into_iter().all(|extent| (1..=LARGEST_EXTENT).contains(extent));
    require(is_shape && (1..=caps.steps).contains(steps), || {
        format!("has a shape that no configuration takes, or not from 1 to {} steps", caps.steps)
    })?;
    let Some(reference) = &case.reference else { return Ok(()) };
    let is_beside = record.case(reference).is_some_and(|CaseRecord { case: other, .. }| {
        other.is_reference()
            && other.quant == Quant::None
            && (&other.workload, other.dtype) == (&case.workload, case.dtype)
    });
    require(is_beside, || format!("names {} as its reference, which is none beside it", shown(reference)))
}

/// A step's work is some that the fastest machine does in the longest time.
fn work(case: &CaseRecord) -> Checked {
    let mut work = case.work.iter().flat_map(|work| [work.flops, work.bytes]);
    require(work.all(|work| (0.0..=FASTEST_RATE * LONGEST_SECONDS).contains(&work)), || {
        "computes what no machine can in a step".to_owned()
    })
}

/// A skipped case had too little memory, and nothing was launched of it.
fn skipped(case: &CaseRecord) -> Checked {
    let Some(Skipped { needs_bytes, has_bytes }) = case.skipped else { return Ok(()) };
    require(needs_bytes > has_bytes, || {
        format!("was skipped for want of memory, and needs {needs_bytes} of {has_bytes} bytes")
    })?;
    let roles = [Role::Head, Role::Base, Role::Control];
    require(roles.into_iter().all(|role| case.launches_of(role).is_empty()), || {
        "was skipped, and has launches".to_owned()
    })
}

/// Launches of one role are of rising blocks; base and control are only where they belong.
fn arms(record: &RunRecord, case: &CaseRecord) -> Checked {
    require(case.base_launches.is_empty() || record.base.is_some(), || {
        "has launches of a base revision, and the run had none beside it".to_owned()
    })?;
    require(case.control_launches.is_empty() || case.case.is_reference(), || {
        "has launches of a control, and only a reference has".to_owned()
    })?;
    for role in [Role::Head, Role::Base, Role::Control] {
        let launches = case.launches_of(role);
        let are_in_order = launches.windows(2).all(|pair| pair[0].block < pair[1].block);
        let are_planned = launches.last().is_none_or(|last| last.block < record.launches);
        require(are_in_order && are_planned, || "has launches that are not of one planned block each".to_owned())?;
        launches.iter().try_for_each(|launch| self::launch(record, &case.case, launch))?;
    }
    let mut errors = [case.parity, case.base_parity].into_iter().flatten().filter_map(|parity| parity.relative_error);
    require(errors.all(|error| error >= 0.0), || "has an output with an error below zero".to_owned())
}

const TIMES: &str = "has a launch whose times cannot be";

fn launch(record: &RunRecord, case: &Case, launch: &Launch) -> Checked {
    require(is_time(launch.wall_seconds), || TIMES.to_owned())?;
    match &launch.outcome {
        Outcome::Measured(launch) => measured(record, case, launch),
        Outcome::Failed(_) => Ok(()),
    }
}

fn measured(record: &RunRecord, case: &Case, launch: &Measured) -> Checked {
    require(launch.device.kind == record.device, || "has a launch on another device than the run's".to_owned())?;
    require(launch.step_seconds.len() == case.workload.steps, || {
        let (steps, planned) = (launch.step_seconds.len(), case.workload.steps);
        format!("has a launch of {steps} timed steps, and its workload has {planned}")
    })?;
    let phases = [launch.startup_seconds, launch.load_seconds, launch.warmup_seconds];
    let parts = [launch.quantize_seconds, launch.switch_seconds].into_iter().flatten();
    let are_times =
        phases.into_iter().chain(parts).all(is_time) && launch.step_seconds.iter().all(|seconds| is_step(*seconds));
    require(are_times, || TIMES.to_owned())?;
    let has_two = case.workload.experts.second().is_some();
    require(launch.switch_seconds.is_none() || has_two, || {
        "has a launch that switched networks, and its workload has one".to_owned()
    })?;
    require(launch.rates.is_none_or(are_rates), || "has a launch on a machine whose rates cannot be".to_owned())?;
    let peaks = [launch.process_peak_bytes, launch.load_peak_bytes];
    require(!peaks.contains(&Some(0)), || "has a launch without any memory".to_owned())?;
    let Some(output) = &launch.output else { return Ok(()) };
    let is_digest = output.sha256.len() == 64 && output.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    require(is_digest && output.norm >= 0.0, || "has an output whose digest or norm cannot be".to_owned())
}

fn is_time(seconds: f64) -> bool {
    (0.0..=LONGEST_SECONDS).contains(&seconds)
}

fn are_rates(rates: Rates) -> bool {
    let Rates { gemm_flops_per_second, copy_bytes_per_second } = rates;
    [gemm_flops_per_second, copy_bytes_per_second].iter().all(|rate| (1.0..FASTEST_RATE).contains(rate))
}

fn is_step(seconds: f64) -> bool {
    (SHORTEST_STEP_SECONDS..=LONGEST_SECONDS).contains(&seconds)
}

/// Every list and every text in `document` is of `caps` at most.
fn within(document: &Value, caps: &Caps) -> Checked {
    let text = |text: &str| {
        require(text.len() <= caps.text_bytes, || format!("holds a text of over {} bytes", caps.text_bytes))
    };
    match document {
        Value::String(string) => text(string),
        Value::Array(entries) => {
            require(entries.len() <= caps.list_entries, || format!("holds a list of over {}", caps.list_entries))?;
            entries.iter().try_for_each(|entry| within(entry, caps))
        }
        Value::Object(entries) => entries.iter().try_for_each(|(key, entry)| text(key).and(within(entry, caps))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scenario;

    #[test]
    fn the_seed_tables_cases_with_all_their_quantizations_pass() {
        let record = Scenario::new().record;
        assert_eq!(check(&record, &Caps::default(), record.started), Ok(()));
        let mut beside_base = Scenario::beside_base();
        beside_base.skip("mlx/41f/none", 71);
        assert_eq!(check(&beside_base.record, &Caps::default(), record.started), Ok(()));
        let a_week_before = record.started - SignedDuration::from_hours(7 * 24);
        assert!(check(&record, &Caps::default(), a_week_before).is_err());
    }

    #[test]
    fn a_strangers_text_commands_neither_a_terminal_nor_githubs_log() {
        let text = "\u{1b}[31m\n::error::x ##[set-output name=a;]b é <img> @octocat";
        assert_eq!(shown(text), "??31m?::error::x ???set-output name?a;?b ? ?img? ?octocat");
        assert_eq!(shown(&"x".repeat(10_000)).len(), SHOWN);
    }

    #[test]
    fn plain_names_lead_nowhere_else() {
        assert!(["41f-480p", "apple_m3.json", "a"].into_iter().all(is_plain));
        let long = "x".repeat(LONGEST_NAME + 1);
        assert!(!["", "a/b", "a b", "a\n", "é", "a\0", long.as_str()].into_iter().any(is_plain));
    }
}
