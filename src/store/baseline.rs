//! Baselines on disk: model bytes for every machine, and one file of speedups, times and peaks per machine.
//! What a run changes in them is in `gate::recording`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Case;
use crate::machine::Machine;
use crate::protocol::DeviceKind;
use crate::store::unique::unique_keys;
use crate::wan::Experts;

/// Schema version of both kinds of file.
pub const SCHEMA: u32 = 1;

/// Recorded runs kept per case.
pub const KEPT_RUNS: usize = 10;

/// File of the bytes that are the same on every machine.
pub const MODEL_MEMORY: &str = "model-memory.json";

/// Bytes of each model's weights, the same on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMemory {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Bytes by `backend/model/quant/dtype`.
    #[serde(deserialize_with = "unique_keys")]
    pub models: BTreeMap<String, u64>,
}

/// The figures of one machine on one kind of device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Whose figures they are.
    pub machine: Machine,
    /// The kind of device that ran.
    pub device: DeviceKind,
    /// Where they come from, if not measured by wanbench.
    pub imported: Option<Import>,
    /// The cases by name.
    #[serde(deserialize_with = "unique_keys")]
    pub cases: BTreeMap<String, BaselineCase>,
}

/// The source of an imported baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// The imported file's name.
    pub source: String,
    /// When the report says it was made, as it says it.
    pub generated: String,
    /// The model that the report is of, as it says it. Files from before this field have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What is remembered of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineCase {
    /// Frames of the workload, for reading.
    pub frames: usize,
    /// Timed steps of the workload, for reading.
    pub steps: usize,
    /// What was computed; `None` for an imported report, which does not tell.
    pub shape: Option<Shape>,
    /// Name of the model by an imported report. Files from before this field have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Reference's step time over the case's; `None` for the reference itself.
    pub speedup: Option<f64>,
    /// Median step in seconds; `None` where an imported report prints it as zero.
    pub step_seconds: Option<f64>,
    /// The framework's own peak, if the worker reports it.
    pub framework_peak_bytes: Option<u64>,
    /// The process's peak, if the system reports it.
    pub process_peak_bytes: Option<u64>,
    /// The last [`KEPT_RUNS`] recorded runs, oldest first.
    pub jobs: Vec<RecordedRun>,
    /// What drift is measured from: no update moves it. Files from before this field have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// Why these figures stand although they are a regression; until the next update of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

/// Figures that stay while updates follow a slow change: many small ones must not add up unseen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// When the latest run began that these figures are of.
    pub date: Timestamp,
    /// Commit that run was at.
    pub commit: Option<String>,
    /// Why the anchor is here, on one line.
    pub reason: String,
    /// Recorded runs behind the speedup and the step time.
    pub jobs: usize,
    /// Reference's step time over the case's; `None` for the reference itself.
    pub speedup: Option<f64>,
    /// Step time in seconds.
    pub step_seconds: Option<f64>,
    /// The process's peak.
    pub process_peak_bytes: Option<u64>,
    /// The framework's own peak.
    pub framework_peak_bytes: Option<u64>,
}

/// An acknowledged regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Why it is accepted, on one line.
    pub reason: String,
    /// When the run began in which it showed.
    pub date: Timestamp,
    /// Commit that run was at.
    pub commit: Option<String>,
    /// How much longer a step takes, as a share (0.051 for 5.1%): beside the base revision, or else in proportion to the
    /// reference's. `None` where it is no speed that regressed.
    pub change: Option<f64>,
    /// The times that are accepted beside the base revision, by the figure's name; files from before this field hold the step
    /// time as `change`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<String, AcceptedTime>,
    /// What it covers: nothing else is let pass by it. Files from before this field cover speed and memory.
    #[serde(default = "Accepted::before_outputs")]
    pub covers: BTreeSet<Accepted>,
}

/// How much longer an accepted time is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedTime {
    /// As a share of the base revision's.
    pub change: f64,
    /// Half the width of its 95% interval, as a log-ratio; `None` where there is none.
    pub half_width: Option<f64>,
}

/// What an acceptance can cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepted {
    /// A step time.
    Speed,
    /// Model bytes or a peak.
    Memory,
    /// An output that is not the base revision's.
    Output,
}

impl Acceptance {
    /// What is accepted of the time of this name.
    pub fn time(&self, name: &str) -> Option<AcceptedTime> {
        let before_times = || self.change.filter(|_| self.times.is_empty());
        let of_change = || before_times().map(|change| AcceptedTime { change, half_width: None });
        self.times.get(name).copied().or_else(of_change)
    }
}

impl Accepted {
    /// What an acceptance covers that does not say it.
    pub fn before_outputs() -> BTreeSet<Self> {
        BTreeSet::from([Self::Speed, Self::Memory])
    }
}

/// What a case computes besides its name: with another shape its figures are of something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Name of the model.
    pub model: String,
    /// Latent extent (frames, height, width).
    pub latent: [usize; 3],
    /// Text rows before padding.
    pub text_rows: usize,
    /// Whether the camera is controlled.
    pub camera: bool,
    /// The networks that compute it.
    #[serde(default, skip_serializing_if = "Experts::is_default")]
    pub experts: Experts,
    /// The case that the speedup is over.
    pub reference: Option<String>,
}

/// One run's summary of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRun {
    /// When it ran.
    pub date: Timestamp,
    /// Commit it ran at.
    pub commit: Option<String>,
    /// Versions of what decides the speed.
    pub versions: BTreeMap<String, String>,
    /// Launches of the case in that run.
    pub launches: usize,
    /// Mean over blocks of ln(reference / case).
    pub mean_log_speedup: Option<f64>,
    /// Standard deviation of it over blocks.
    pub deviation_log_speedup: Option<f64>,
    /// Median step of each launch, in seconds.
    pub launch_step_seconds: Vec<f64>,
    /// Environment variables that reached the workers, as in the record; files from before this field have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Why recording it was in doubt, where it was recorded by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
}

impl Default for ModelMemory {
    fn default() -> Self {
        Self { schema: SCHEMA, models: BTreeMap::new() }
    }
}

impl Shape {
    /// What `case` computes.
    pub fn of(case: &Case) -> Self {
        let workload = case.workload.clone();
        Self {
            model: workload.model,
            latent: workload.latent,
            text_rows: workload.text_rows,
            camera: workload.camera,
            experts: workload.experts,
            reference: case.reference.clone(),
        }
    }
}

impl BaselineCase {
    /// Whether these are figures of what `case` computes. A run without the reference computes the same. Of an imported
    /// report the name of the model must be the same.
    pub fn is_of(&self, case: &Case) -> bool {
        let is_of_model = self.model.as_ref().is_none_or(|model| *model == case.workload.model);
        is_of_model
            && self.shape.as_ref().is_none_or(|stored| {
                let shape = Shape::of(case);
                let same_reference = shape.reference.is_none() || shape.reference == stored.reference;
                same_reference && *stored == Shape { reference: stored.reference.clone(), ..shape }
            })
    }
}

impl Baseline {
    /// Its figures of `case`, in this shape.
    pub fn case(&self, case: &Case) -> Option<&BaselineCase> {
        self.cases.get(&case.name).filter(|stored| stored.is_of(case))
    }

    /// The file of `machine` on `device`.
    pub fn path(folder: &Path, machine: &Machine, device: DeviceKind) -> PathBuf {
        folder.join(machine.name(device) + ".json")
    }

    /// The device peak of one of its cases: the framework's on a GPU with memory of its own, else the process's.
    pub fn device_peak_bytes(&self, case: &BaselineCase) -> Option<u64> {
        let has_own_memory = self.device == DeviceKind::Gpu && self.machine.gpu.is_some();
        if has_own_memory { case.framework_peak_bytes } else { case.process_peak_bytes }
    }

    /// Whether it tells that `machine` should have one for `device`, too: it was measured on the same kind of device under the same
    /// system, as on the machines that share a queue of jobs, or on what may be this machine with another device.
    pub fn is_comparable(&self, machine: &Machine, device: DeviceKind) -> bool {
        let is_peer = self.device == device && self.machine.os == machine.os;
        self.imported.is_none() && (is_peer || self.machine.chip == machine.chip)
    }

    /// A baseline without cases.
    pub fn empty(machine: Machine, device: DeviceKind) -> Self {
        Self { schema: SCHEMA, machine, device, imported: None, cases: BTreeMap::new() }
    }
}
