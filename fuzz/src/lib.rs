//! What the targets share: what must hold of everything that is read.

mod mutation;

use std::fmt::Debug;
use std::path::Path;
use std::sync::OnceLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wanbench::config::{Config, Thresholds};
use wanbench::gate::doubts::Doubts;
use wanbench::gate::{Baselines, Demands, Judge, Plan};
use wanbench::report::comment::Origin;
use wanbench::report::text::Layout;
use wanbench::report::{self, Invocation, Report, Source};
use wanbench::store::baseline::{Baseline, ModelMemory};
use wanbench::store::record::RunRecord;
use wanbench::store::valid;

pub use mutation::mutate_json;

/// A file's name, for messages.
pub const FILE: &str = "file";

/// Most characters of an error's message that quotes its input; names and paths may come on top.
const LIMIT: usize = 65_536;

/// The repository's configuration.
pub fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| Config::parse(include_str!("../../config.toml"), Path::new(FILE)).expect("it is valid"))
}

/// A run on the machine of the seeds.
pub fn record() -> &'static RunRecord {
    static RECORD: OnceLock<RunRecord> = OnceLock::new();
    let text = include_str!("../seeds/results/regressed.json");
    RECORD.get_or_init(|| RunRecord::parse(text, Path::new(FILE)).expect("it is valid"))
}

/// What is read can be written and read again to the same value.
pub fn assert_reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string_pretty(value).expect("it is plain data");
    assert_eq!(&serde_json::from_str::<T>(&text).expect("what is written can be read"), value);
}

/// `record` can become a baseline that is read again, and every report on it is harmless.
pub fn assert_reported(record: &RunRecord, baseline: Option<&Baseline>) {
    let thresholds = Thresholds::default();
    let memory = ModelMemory::default().updated(record);
    assert_eq!(valid::model_memory(&memory), Ok(()));
    let recorded = Baseline::empty(record.machine.clone(), record.device).updated(record, &thresholds);
    assert_eq!(valid::baseline(&recorded), Ok(()));
    assert_reads_back(&recorded);
    if let Some(baseline) = baseline {
        assert_eq!(valid::baseline(&baseline.updated(record, &thresholds)), Ok(()));
    }
    for plan in [Plan::of_record(record), Plan::of(config(), record), Plan::of_stranger(config(), record)] {
        let machine = Some(baseline.unwrap_or(&recorded));
        let baselines = Baselines { machine, memory: &memory, others: 0 };
        let judge = Judge { record, plan: &plan, baselines, thresholds: &thresholds, demands: Demands::default() };
        assert_rendered(Report {
            outcome: judge.outcome(),
            doubts: Doubts::about(record, &thresholds),
            thresholds: thresholds.clone(),
            baseline: machine.map(|baseline| Source::new(Path::new(FILE), baseline)),
            baseline_file: FILE.to_owned(),
            is_comparison: false,
            invocation: Invocation::default(),
            record: record.clone(),
        });
    }
}

fn assert_rendered(report: Report) {
    let layout = Layout { color: false, width: 80, table_width: 100, verbose: true };
    assert_harmless(&report::text::render(&report, layout));
    assert_harmless(&report::markdown::render(&report));
    assert_harmless(&report::annotations::render(std::slice::from_ref(&report), FILE));
    let json = report::json::render(&report);
    assert_harmless(&json);
    serde_json::from_str::<serde_json::Value>(&json).expect("a report is JSON");
    let comment = report::comment::render(&[report], &Origin::default(), LIMIT);
    assert_harmless(&comment);
    assert!(comment.len() <= LIMIT);
}

/// A terminal has nothing to obey in `text`.
pub fn assert_harmless(text: &str) {
    let harmful = text.chars().find(|character| character.is_control() && *character != '\n');
    assert_eq!(harmful, None, "{text}");
}
