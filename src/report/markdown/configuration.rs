//! The configuration: what was measured, where, how and against what.

use std::collections::{BTreeMap, BTreeSet};

use super::super::summary;
use super::super::{Report, evidence, short};
use super::syntax::{code, list};
use crate::config::Case;
use crate::protocol::DeviceKind;
use crate::store::record::{Measured, RunRecord};
use crate::text::NOTHING;
use crate::text::escape::markdown as escape;
use crate::text::format;
use crate::wan::Quant;

pub(super) fn section(report: &Report) -> String {
    format!("## Configuration\n\n{}", items(report))
}

/// A list of all that is known of the run's circumstances.
pub(in crate::report) fn items(report: &Report) -> String {
    let record = &report.record;
    let baseline = match &report.baseline {
        Some(source) => escape(&source.describe()),
        None => "none for this machine".to_owned(),
    };
    let mut items = vec![
        ("Hardware", escape(&record.machine.describe())),
        ("Device", devices(record)),
        ("Model", models(record)),
        ("Resolution", latents(record)),
        ("Versions", versions(record)),
        ("Launches", launches(record)),
        ("Run", run(record)),
        ("Baseline", baseline),
    ];
    items.extend(evidence::lines(report).into_iter().map(|(name, words)| (name, escape(&words))));
    items.extend(record.warnings.iter().map(|warning| ("Warning", escape(warning))));
    if record.tool.debug_build {
        items.push(("Warning", "a debug build was measured: its figures say nothing about a release build".to_owned()));
    }
    list(items.iter().map(|(name, value)| format!("**{name}**: {value}")))
}

fn devices(record: &RunRecord) -> String {
    let kind = match record.device {
        DeviceKind::Gpu => "GPU",
        DeviceKind::Cpu => "CPU",
    };
    let names: BTreeMap<&str, String> =
        launched(record).map(|(case, launch)| (case.backend.as_str(), escape(&launch.device.name))).collect();
    match names.is_empty() {
        true => kind.to_owned(),
        false => format!("{kind} ({})", by_backend(&names)),
    }
}

fn models(record: &RunRecord) -> String {
    let mut parameters: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for case in &record.cases {
        let known = parameters.entry(&case.case.workload.model).or_default();
        let launch = case.measured().next().filter(|_| case.case.quant == Quant::None);
        let networks = case.case.workload.experts.resident() * case.case.dtype.size_bytes();
        *known = known.or(launch.map(|(_, launch)| launch.model_bytes / networks as u64));
    }
    let words = parameters.iter().map(|(model, parameters)| match parameters {
        Some(parameters) => format!("WanModel ({}, {} parameters)", escape(model), format::exact(*parameters)),
        None => format!("WanModel ({})", escape(model)),
    });
    words.collect::<Vec<_>>().join("; ")
}

fn latents(record: &RunRecord) -> String {
    let mut seen = BTreeSet::new();
    let workloads = record.cases.iter().map(|case| &case.case.workload).filter(|workload| seen.insert(&workload.name));
    let words: Vec<String> = workloads
        .map(|workload| {
            let [frames, height, width] = workload.latent;
            let camera = if workload.camera { ", camera control" } else { "" };
            let experts = summary::experts(workload.experts).map_or_else(String::new, |words| format!(" ({words})"));
            format!("{} at {frames}×{height}×{width}{camera}{experts}", code(&workload.name))
        })
        .collect();
    format!("latent frames × height × width: {}", words.join("; "))
}

fn versions(record: &RunRecord) -> String {
    let of = |launch: &Measured| {
        let words = launch.versions.iter().map(|(name, version)| format!("{} {}", escape(name), escape(version)));
        words.collect::<Vec<_>>().join(", ")
    };
    let names: BTreeMap<&str, String> =
        launched(record).map(|(case, launch)| (case.backend.as_str(), of(launch))).collect();
    match names.is_empty() {
        true => NOTHING.to_owned(),
        false => by_backend(&names),
    }
}

fn launches(record: &RunRecord) -> String {
    format!(
        "{} per case, {} per launch, seed {}",
        summary::launches(record),
        format::count(record.warmup_steps as usize, "warm-up step"),
        record.seed
    )
}

fn run(record: &RunRecord) -> String {
    let commit =
        record.tool.commit.as_deref().map_or_else(String::new, |commit| format!(", commit {}", code(&short(commit))));
    format!("suite {}{commit}, {}", code(&record.suite), format::duration(record.wall_seconds))
}

fn by_backend(words: &BTreeMap<&str, String>) -> String {
    words.iter().map(|(backend, words)| format!("{}: {words}", escape(backend))).collect::<Vec<_>>().join("; ")
}

/// The first whole launch of every case.
fn launched(record: &RunRecord) -> impl Iterator<Item = (&Case, &Measured)> {
    record.cases.iter().filter_map(|case| Some((&case.case, case.measured().next()?.1)))
}
