//! What the two sides are, and what differs between them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::evidence::Evidence;
use crate::evidence::figures::Figures;
use crate::machine::Machine;
use crate::protocol::DeviceKind;
use crate::report::short;
use crate::store::baseline::{Baseline, BaselineCase, RecordedRun, Shape};
use crate::store::record::{CaseRecord, RunRecord};

/// The figures of one machine and version: of saved results, or of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The file that they are from, as a user would type it.
    pub file: String,
    /// What decides the figures, by name, in words.
    pub(super) circumstances: BTreeMap<String, String>,
    /// The cases in their order.
    pub(super) cases: Vec<Entry>,
}

/// What one side has of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Entry {
    #[serde(skip)]
    pub name: String,
    /// What it computes, but for the reference; `None` where an imported baseline does not tell.
    #[serde(skip)]
    pub shape: Option<Shape>,
    /// Median step.
    pub step_seconds: Option<f64>,
    /// Reference's step time over it.
    pub speedup_ratio: Option<f64>,
    /// Of the weights; a machine's baseline has none.
    pub model_bytes: Option<u64>,
    /// The device peak.
    pub peak_bytes: Option<u64>,
    /// Launches behind the figures, of a baseline those of all its jobs.
    pub launches: usize,
    /// Why there are no figures, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Two sides, A and B.
#[derive(Clone, Debug, PartialEq)]
pub struct SideBySide {
    /// A and B.
    pub sides: [Side; 2],
}

/// A case on both sides.
pub(super) struct Pair<'a> {
    pub name: &'a str,
    /// What A and B have of it.
    pub entries: [Option<&'a Entry>; 2],
}

impl Side {
    /// The figures of saved results.
    pub fn of_record(file: String, record: &RunRecord) -> Self {
        let evidence = Evidence::of(record);
        let mut circumstances = of_machine(&record.machine, record.device);
        let tool = &record.tool;
        let mut tell = |name: &str, words: String| circumstances.insert(name.to_owned(), words);
        tell("date", on_day(record.started));
        tell("suite", record.suite.clone());
        tell("seed", record.seed.to_string());
        tell("wanbench", tool.version.clone());
        tool.commit.iter().for_each(|commit| drop(tell("commit", short(commit))));
        let launches = record.cases.iter().filter_map(|case| case.measured().next());
        let versions = launches.flat_map(|(_, launch)| launch.versions.clone());
        circumstances.extend(versions.chain(tool.environment.clone()));
        let cases = record.cases.iter().map(|case| {
            let figures = evidence.case(&case.case.name).and_then(|evidence| evidence.figures.as_ref());
            Entry::of_record(case, figures)
        });
        Self { file, circumstances, cases: cases.collect() }
    }

    /// The figures of a baseline, which are of its latest jobs.
    pub fn of_baseline(file: String, baseline: &Baseline) -> Self {
        let mut circumstances = of_machine(&baseline.machine, baseline.device);
        let jobs: Vec<&RecordedRun> = baseline.cases.values().filter_map(|case| case.jobs.last()).collect();
        if let Some(last) = jobs.iter().max_by_key(|job| job.date) {
            circumstances.insert("date".to_owned(), on_day(last.date));
            circumstances.extend(last.commit.iter().map(|commit| ("commit".to_owned(), short(commit))));
        }
        if let Some(import) = &baseline.imported {
            circumstances.insert("imported from".to_owned(), import.source.clone());
        }
        circumstances
            .extend(jobs.iter().flat_map(|job| job.versions.clone().into_iter().chain(job.environment.clone())));
        let cases = baseline.cases.iter().map(|(name, case)| Entry::of_baseline(name, case, baseline));
        Self { file, circumstances, cases: cases.collect() }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.cases.iter().find(|entry| entry.name == name)
    }
}

impl Entry {
    fn of_record(case: &CaseRecord, now: Option<&Figures>) -> Self {
        let why = || case.failure().map(|failure| failure.reason.clone());
        let skipped = || case.skipped.map(|skipped| skipped.to_string());
        let reason = now.is_none().then(|| why().or_else(skipped).unwrap_or_else(|| "it was not launched".to_owned()));
        Self {
            name: case.case.name.clone(),
            shape: Some(Shape { reference: None, ..Shape::of(&case.case) }),
            step_seconds: now.map(|now| now.step_seconds.0),
            speedup_ratio: now.and_then(|now| Some(now.speedup?.point)),
            model_bytes: now.map(|now| now.model_bytes.0),
            peak_bytes: now.and_then(Figures::device_peak_bytes).map(|peak| peak.0),
            launches: now.map_or(0, |now| now.launches),
            reason,
        }
    }

    fn of_baseline(name: &str, case: &BaselineCase, baseline: &Baseline) -> Self {
        Self {
            name: name.to_owned(),
            shape: case.shape.clone().map(|shape| Shape { reference: None, ..shape }),
            step_seconds: case.step_seconds,
            speedup_ratio: case.speedup,
            model_bytes: None,
            peak_bytes: baseline.device_peak_bytes(case),
            launches: case.jobs.iter().map(|job| job.launches).sum(),
            reason: None,
        }
    }
}

impl SideBySide {
    /// What differs between the two, with its words for A and for B: `None` where a side does not tell.
    pub(super) fn differences(&self) -> Vec<(&str, [Option<&str>; 2])> {
        let [a, b] = &self.sides;
        let names: BTreeSet<&String> = a.circumstances.keys().chain(b.circumstances.keys()).collect();
        let words = |name: &String| self.sides.each_ref().map(|side| side.circumstances.get(name).map(String::as_str));
        let all = names.into_iter().map(|name| (name.as_str(), words(name)));
        let mut all: Vec<_> = all.filter(|(_, [a, b])| a != b).collect();
        // The machine first: it explains most.
        all.sort_by_key(|(name, _)| (*name != "machine", *name != "device"));
        all
    }

    /// What is the same on both sides and worth a line.
    pub(super) fn common(&self) -> Vec<(&str, &str)> {
        let [a, b] = &self.sides;
        let is_same = |name: &&str| a.circumstances.get(*name) == b.circumstances.get(*name);
        let names = ["machine", "device", "commit"].into_iter().filter(is_same);
        names.filter_map(|name| Some((name, a.circumstances.get(name)?.as_str()))).collect()
    }

    /// The cases of either side, those of A in its order first.
    pub(super) fn pairs(&self) -> Vec<Pair<'_>> {
        let [a, b] = &self.sides;
        let only_b = b.cases.iter().filter(|entry| a.entry(&entry.name).is_none());
        let names = a.cases.iter().chain(only_b).map(|entry| entry.name.as_str());
        names.map(|name| Pair { name, entries: [a.entry(name), b.entry(name)] }).collect()
    }
}

impl Pair<'_> {
    /// B's step time over A's; `None` where one is not known, or they are of other work under the same name.
    pub fn step_ratio(&self) -> Option<f64> {
        let [a, b] = self.entries.map(|entry| entry.and_then(|entry| entry.step_seconds));
        Some(b? / a?).filter(|_| !self.is_other_work())
    }

    /// Whether the two compute something else under the same name.
    pub fn is_other_work(&self) -> bool {
        let [a, b] = self.entries.map(|entry| entry.and_then(|entry| entry.shape.as_ref()));
        a.zip(b).is_some_and(|(a, b)| a != b)
    }
}

fn of_machine(machine: &Machine, device: DeviceKind) -> BTreeMap<String, String> {
    let device = device.name().to_uppercase();
    BTreeMap::from([("machine".to_owned(), machine.describe()), ("device".to_owned(), device)])
}

fn on_day(date: Timestamp) -> String {
    format!("{date:.0}")
}
