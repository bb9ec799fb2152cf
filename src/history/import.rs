//! Runs that were kept elsewhere, as entries: the jobs of a baseline, and github-action-benchmark's data.js.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::entry::spread;
use crate::protocol::DeviceKind;
use crate::revision::git;
use crate::stats::{Estimate, median, paired_ratio, t_quantile};
use crate::store::baseline::{Baseline, BaselineCase, RecordedRun};
use crate::store::history::{Entry, EntryCase, EntryFigures, IMPORTED_SUITE, SCHEMA, Spread};

/// How data.js begins.
const DATA_JS: &str = "window.BENCHMARK_DATA";

/// Times that a step can take, in seconds, as [`valid`](crate::store::valid) has them.
const STEP_SECONDS: std::ops::RangeInclusive<f64> = 1e-9..=432_000.0;

/// Sizes in bytes, and ratios.
const BYTES: std::ops::RangeInclusive<f64> = 1.0..=1e18;
const RATIOS: std::ops::RangeInclusive<f64> = 1e-15..=1e15;

/// Units of times, in seconds.
const TIMES: [(&str, f64); 12] = [
    ("ns", 1e-9),
    ("nsec", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("usec", 1e-6),
    ("ms", 1e-3),
    ("msec", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("seconds", 1.0),
    ("min", 60.0),
];

/// Units of rates: so many operations in a second.
const RATES: [&str; 6] = ["ops/sec", "op/s", "ops/s", "iter/sec", "iter/s", "iterations/sec"];

/// Units of sizes, in bytes.
const SIZES: [(&str, f64); 9] = [
    ("b", 1.0),
    ("bytes", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("byte", 1.0),
];

/// Entries of a file, and what is not among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// One for each run.
    pub entries: Vec<Entry>,
    /// The benchmarks whose unit or value has no place in an entry, with both.
    pub skipped: BTreeSet<String>,
}

/// The runs that `baseline`, of the file `source`, still has of its cases: step times and speedups, and the peaks of the latest
/// one.
pub fn of_baseline(baseline: &Baseline, source: &str) -> Vec<Entry> {
    let mut runs: BTreeMap<Timestamp, Entry> = BTreeMap::new();
    for (name, case) in &baseline.cases {
        for (index, job) in case.jobs.iter().enumerate() {
            let entry = runs.entry(job.date).or_insert_with(|| of_job(baseline, job, source));
            let is_latest = index + 1 == case.jobs.len();
            entry.cases.push(case_of_job(baseline, name, case, job, is_latest));
        }
    }
    runs.into_values().collect()
}

fn of_job(baseline: &Baseline, job: &RecordedRun, source: &str) -> Entry {
    let commit = job.commit.as_deref();
    Entry {
        hardware: Some(baseline.machine.clone()),
        commit: commit.map(|commit| git::clean(commit).to_owned()),
        dirty: commit.is_some_and(|commit| git::clean(commit) != commit),
        environment: job.environment.clone(),
        doubts: job.forced.clone().into_iter().collect(),
        ..imported(&baseline.machine.name(baseline.device), baseline.device, job.date, source)
    }
}

fn imported(machine: &str, device: DeviceKind, started: Timestamp, source: &str) -> Entry {
    Entry {
        schema: SCHEMA,
        machine: machine.to_owned(),
        hardware: None,
        device,
        started,
        suite: IMPORTED_SUITE.to_owned(),
        label: None,
        commit: None,
        dirty: false,
        base: None,
        wanbench: None,
        debug_build: false,
        environment: BTreeMap::new(),
        imported: Some(source.to_owned()),
        standing: None,
        doubts: Vec::new(),
        cases: Vec::new(),
    }
}

fn case_of_job(baseline: &Baseline, name: &str, case: &BaselineCase, job: &RecordedRun, is_latest: bool) -> EntryCase {
    let logs: Vec<f64> = job.launch_step_seconds.iter().map(|seconds| seconds.ln()).collect();
    // An update stores the peaks of the run that it records.
    let peak = |bytes: Option<u64>| bytes.filter(|_| is_latest);
    EntryCase {
        shape: case.shape.clone(),
        steps: Some(case.steps),
        versions: job.versions.clone(),
        accepted: case.accepted.clone().filter(|_| is_latest),
        ..unjudged(
            name,
            job.launches,
            EntryFigures {
                step_seconds: (!logs.is_empty()).then(|| spread(median(&job.launch_step_seconds), paired_ratio(&logs))),
                speedup: job.mean_log_speedup.map(|mean| speedup(mean, job)),
                process_peak_bytes: peak(case.process_peak_bytes),
                framework_peak_bytes: peak(case.framework_peak_bytes),
                device_peak_bytes: peak(baseline.device_peak_bytes(case)),
                ..EntryFigures::default()
            },
        )
    }
}

fn unjudged(name: &str, launches: usize, figures: EntryFigures) -> EntryCase {
    EntryCase {
        name: name.to_owned(),
        shape: None,
        steps: None,
        launches,
        versions: BTreeMap::new(),
        figures,
        verdict: None,
        findings: Vec::new(),
        accepted: None,
        reason: None,
    }
}

/// The speedup of which a job keeps the mean and the deviation over its blocks.
fn speedup(mean: f64, job: &RecordedRun) -> Spread {
    let blocks = job.launches as f64;
    let interval = job.deviation_log_speedup.filter(|_| job.launches > 1).map(|deviation| {
        let half_width = t_quantile(0.975, blocks - 1.0) * deviation / blocks.sqrt();
        ((mean - half_width).exp(), (mean + half_width).exp())
    });
    let estimate = Estimate { point: mean.exp(), interval, pairs: job.launches, log_deviation: None };
    spread(estimate.point, Some(estimate))
}

/// What data.js is, as far as it is used.
#[derive(Deserialize)]
struct DataJs {
    entries: BTreeMap<String, Vec<DataRun>>,
}

#[derive(Deserialize)]
struct DataRun {
    commit: DataCommit,
    /// Milliseconds since 1970.
    date: i64,
    benches: Vec<Bench>,
}

#[derive(Deserialize)]
struct DataCommit {
    id: String,
}

#[derive(Deserialize)]
struct Bench {
    name: String,
    value: f64,
    unit: String,
}

/// Whether `text` is a data.js.
pub fn is_data_js(text: &str) -> bool {
    text.trim_start().starts_with(DATA_JS)
}

/// The runs of a data.js, of the file `source`, which does not tell on which machine they ran: that is `machine`, on its `device`.
/// Each group of benchmarks is a suite, and each benchmark a case. Times and rates are step times, sizes peaks, and `x` is a
/// speedup.
///
/// # Errors
/// Where the text is of another form, with the place.
pub fn of_data_js(text: &str, source: &str, machine: &str, device: DeviceKind) -> Result<Imported, String> {
    let json = text.trim().strip_prefix(DATA_JS).map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
    let json = json.ok_or_else(|| format!("it does not begin with `{DATA_JS} =`"))?;
    let data: DataJs = serde_json::from_str(json.trim().trim_end_matches(';')).map_err(|error| error.to_string())?;
    let mut imported = Imported::default();
    for (suite, runs) in data.entries {
        for run in runs {
            let started =
                Timestamp::from_millisecond(run.date).map_err(|error| format!("date {}: {error}", run.date))?;
            let mut entry = Entry {
                suite: suite.clone(),
                commit: Some(run.commit.id),
                ..self::imported(machine, device, started, source)
            };
            for bench in run.benches {
                let is_there = entry.cases.iter().any(|case| case.name == bench.name);
                match figures(bench.value, &bench.unit).filter(|_| !is_there) {
                    Some(figures) => entry.cases.push(unjudged(&bench.name, 1, figures)),
                    None => {
                        imported.skipped.insert(format!("{} ({})", bench.name, bench.unit));
                    }
                }
            }
            imported.entries.extend((!entry.cases.is_empty()).then_some(entry));
        }
    }
    Ok(imported)
}

fn figures(value: f64, unit: &str) -> Option<EntryFigures> {
    let unit = unit.trim().to_lowercase();
    let unit = unit.trim_end_matches("/iter").trim_end_matches("/op");
    let of = |units: &[(&str, f64)]| units.iter().find(|(name, _)| *name == unit).map(|(_, size)| value * size);
    let spread = |value| Some(Spread { value, interval: None });
    let seconds = of(&TIMES).or_else(|| RATES.contains(&unit).then(|| value.recip()));
    if let Some(seconds) = seconds.filter(|seconds| STEP_SECONDS.contains(seconds)) {
        return Some(EntryFigures { step_seconds: spread(seconds), ..EntryFigures::default() });
    }
    if let Some(bytes) = of(&SIZES).filter(|bytes| BYTES.contains(bytes)) {
        return Some(EntryFigures { device_peak_bytes: Some(bytes.round() as u64), ..EntryFigures::default() });
    }
    let is_speedup = unit == "x" && RATIOS.contains(&value);
    is_speedup.then(|| EntryFigures { speedup: spread(value), ..EntryFigures::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Thresholds;
    use crate::history::{Asked, Metric, series};
    use crate::testing::{Scenario, history_entry};

    const CASE: &str = "mlx/41f/int8";

    #[test]
    fn the_jobs_of_a_baseline_are_the_runs_that_were_recorded() {
        let mut baseline = Scenario::new().baseline.unwrap();
        let mut record = Scenario::new().record;
        for _ in 0..9 {
            record.started += jiff::SignedDuration::from_hours(24);
            baseline = baseline.updated(&record, &Thresholds::default());
        }
        let entries = of_baseline(&baseline, "a.json");
        assert_eq!(entries.len(), 10);
        assert!(entries.iter().all(|entry| entry.file().is_ok() && entry.cases.len() == 8));
        // A run that was recorded itself tells the same, and more.
        let own = history_entry();
        let figures = |entry: &Entry| entry.cases.iter().find(|case| case.name == CASE).unwrap().figures.clone();
        let (whole, latest, first) = (figures(&own), figures(&entries[9]), figures(&entries[0]));
        assert_eq!(latest.step_seconds, whole.step_seconds);
        let ends = |spread: Option<Spread>| {
            let Spread { value, interval: Some((low, high)) } = spread.unwrap() else { panic!() };
            [value, low, high].map(|end| (end * 1e9).round())
        };
        assert_eq!(ends(latest.speedup), ends(whole.speedup));
        assert_eq!(latest.device_peak_bytes, whole.device_peak_bytes);
        assert_eq!((first.device_peak_bytes, first.step_seconds), (None, whole.step_seconds));
    }

    #[test]
    fn data_js_has_a_suite_for_each_group_and_a_case_for_each_benchmark() {
        let text = r#"window.BENCHMARK_DATA = {
          "lastUpdate": 1772368496000, "repoUrl": "https://example.org/x",
          "entries": {"Wan": [
            {"commit": {"id": "1f837a6c0ffee", "message": "m", "url": "u"}, "date": 1772368496000, "tool": "cargo", "benches": [
              {"name": "mlx/41f/int8", "value": 29800000, "range": "± 12000", "unit": "ns/iter"},
              {"name": "requests", "value": 8, "unit": "ops/sec"},
              {"name": "peak", "value": 395, "unit": "MiB"},
              {"name": "accuracy", "value": 0.9, "unit": "points"},
              {"name": "nothing", "value": 0, "unit": "ms"}]},
            {"commit": {"id": "c0ffee"}, "date": 1772454896000, "tool": "cargo", "benches": [
              {"name": "mlx/41f/int8", "value": 31.0, "unit": "ms"}]}]}};
"#;
        assert!(is_data_js(text) && !is_data_js("{}"));
        let imported = of_data_js(text, "data.js", "mac", DeviceKind::Gpu).unwrap();
        assert_eq!(imported.skipped.into_iter().collect::<Vec<_>>(), ["accuracy (points)", "nothing (ms)"]);
        let [first, second] = &imported.entries[..] else { panic!("{:?}", imported.entries) };
        assert_eq!((first.suite.as_str(), first.commit.as_deref()), ("Wan", Some("1f837a6c0ffee")));
        assert_eq!(first.started.to_string(), "2026-03-01T12:34:56Z");
        let step = |entry: &Entry, case: usize| entry.cases[case].figures.step_seconds.unwrap().value;
        assert!((step(first, 0) - 0.0298).abs() < 1e-12 && (step(second, 0) - 0.031).abs() < 1e-12);
        assert_eq!(step(first, 1), 0.125);
        assert_eq!(first.cases[2].figures.device_peak_bytes, Some(395 << 20));
        assert!(imported.entries.iter().all(|entry| entry.file().is_ok()));
        let asked = Asked {
            metric: Metric::Step,
            machine: None,
            cases: vec![CASE.to_owned()],
            label: None,
            since: None,
            last: None,
        };
        assert_eq!(series(&imported.entries, &asked)[0].points.len(), 2);
        let error =
            of_data_js("window.BENCHMARK_DATA = {\"entries\": 1}", "data.js", "mac", DeviceKind::Gpu).unwrap_err();
        assert!(error.contains("line 1 column"), "{error}");
    }
}
