//! The history's entries: one run each, in a file that is written once and never changed (see [`entries`](super::entries)).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::protocol::{DeviceKind, Rates};
use crate::store::baseline::{Acceptance, Shape};

/// Schema version of an entry.
pub const SCHEMA: u32 = 1;

/// The suite of a run that was imported from a file which does not name it.
pub const IMPORTED_SUITE: &str = "imported";

/// One run, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The machine's name, as its baseline's file has it.
    pub machine: String,
    /// The machine itself; `None` where an imported report does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Machine>,
    /// The kind of device that ran.
    pub device: DeviceKind,
    /// When the run began.
    pub started: Timestamp,
    /// Name of the suite; [`IMPORTED_SUITE`] where it is not known.
    pub suite: String,
    /// What runs the entry belongs to, where these are not the default branch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Commit that was measured.
    pub commit: Option<String>,
    /// Whether tracked files differed from that commit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dirty: bool,
    /// Commit that it was measured beside, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Version of wanbench that measured; `None` where another program did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanbench: Option<String>,
    /// Whether the programs were built with debug assertions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub debug_build: bool,
    /// Environment variables that reached the workers, as in results.json.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// File that the run was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// How the run stood, as the JSON report writes it: `passed`, `not_judged` or `failed`; `None` where nobody judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
    /// Why its figures are in doubt, in sentences without their period.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// The cases in the run's order.
    pub cases: Vec<EntryCase>,
}

/// One case of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryCase {
    /// Its name.
    pub name: String,
    /// What was computed; `None` where an imported report does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// Timed steps of a launch, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Launches behind the figures; 0 without figures.
    pub launches: usize,
    /// Versions of what decides the speed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
    /// What was measured.
    pub figures: EntryFigures,
    /// The verdict, as the JSON report writes it; `None` where nobody judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// The verdicts of its figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<EntryFinding>,
    /// The acknowledged regression that stood in the baseline when the run was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// Why it was not measured, or not as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The figures of one case; what was not measured is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EntryFigures {
    /// Median over the launches of the launch's median step, with the interval of the launches' mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_seconds: Option<Spread>,
    /// The mean of a launch's fastest quarter of steps, over the launches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_step_seconds: Option<Spread>,
    /// Median over the launches of the launch's mean step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_step_seconds: Option<f64>,
    /// Median of the loading times, quantizing included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_seconds: Option<Spread>,
    /// Median of what of that went into quantizing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantize_seconds: Option<f64>,
    /// Median of the switches from the first network to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_seconds: Option<f64>,
    /// Reference's step time over the case's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speedup: Option<Spread>,
    /// Bytes of the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_bytes: Option<u64>,
    /// Median of the framework's own peaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework_peak_bytes: Option<u64>,
    /// Median of the processes' peaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_peak_bytes: Option<u64>,
    /// That of the two which contains what the network takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_peak_bytes: Option<u64>,
    /// Medians of the machine's own rates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

/// A figure with the interval that it lies in at a confidence of 95%.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The figure, as the tables show it.
    pub value: f64,
    /// The interval's ends; `None` where there are too few launches for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

/// The judgement of one figure. Its words are as the JSON report writes them, and those of a later version can be read, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryFinding {
    /// Which figure, such as `step_time`.
    pub figure: String,
    /// What it was compared with, such as `baseline`.
    pub against: String,
    /// The judgement, such as `regressed`.
    pub verdict: String,
    /// How much worse it was, as a share; positive is worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// Whether the gate failed on it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fails: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}
