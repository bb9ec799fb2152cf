//! Baselines on disk: model bytes for every machine, and one file of speedups, times and peaks per machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::figures::figures;
use crate::machine::Machine;
use crate::matrix::Case;
use crate::protocol::DeviceKind;
use crate::record::{CaseRecord, ReadError, RunRecord, read_versioned};
use crate::stats::Estimate;

/// Schema version of both kinds of file.
pub const SCHEMA: u32 = 1;

/// Jobs kept per case.
pub const KEPT_JOBS: usize = 10;

/// File of the bytes that are the same on every machine.
pub const MODEL_MEMORY: &str = "model-memory.json";

/// Bytes of each model's weights, the same on every machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMemory {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// Bytes by `backend/model/quant/dtype`.
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
    /// Reference's step time over the case's; `None` for the reference itself.
    pub speedup: Option<f64>,
    /// Median step, `None` where an imported report prints it as zero.
    pub step_seconds: Option<f64>,
    /// The framework's own peak.
    pub framework_peak_bytes: Option<u64>,
    /// The process's peak.
    pub process_peak_bytes: Option<u64>,
    /// The last [`KEPT_JOBS`] jobs, oldest first.
    pub jobs: Vec<Job>,
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
    /// The case that the speedup is over.
    pub reference: Option<String>,
}

/// One run's summary of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// When it ran.
    pub date: Timestamp,
    /// Commit it ran at.
    pub commit: Option<String>,
    /// Versions of what decides the speed.
    pub versions: BTreeMap<String, String>,
    /// Launches.
    pub launches: usize,
    /// Mean over blocks of ln(reference / case).
    pub mean_log_speedup: Option<f64>,
    /// Standard deviation of it over blocks.
    pub deviation_log_speedup: Option<f64>,
    /// The launches' median steps.
    pub launch_step_seconds: Vec<f64>,
}

impl Default for ModelMemory {
    fn default() -> Self {
        Self { schema: SCHEMA, models: BTreeMap::new() }
    }
}

impl ModelMemory {
    /// Reads `folder`'s file; empty where there is none.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(MODEL_MEMORY);
        match read_versioned(&path, "model memory file", SCHEMA) {
            Err(error) if error.is_not_found() => Ok(Self::default()),
            read => read,
        }
    }

    /// These bytes with those that `record` measured.
    pub fn updated(&self, record: &RunRecord) -> Self {
        let mut updated = self.clone();
        for case in &record.cases {
            if let Some((_, launch)) = case.measured().next() {
                updated.models.insert(case.case.memory_key(), launch.model_bytes);
            }
        }
        updated
    }
}

impl Shape {
    fn of(case: &Case) -> Self {
        let workload = case.workload.clone();
        Self {
            model: workload.model,
            latent: workload.latent,
            text_rows: workload.text_rows,
            camera: workload.camera,
            reference: case.reference.clone(),
        }
    }
}

impl BaselineCase {
    /// Whether these are figures of what `case` computes. A run without the reference computes the same.
    pub fn is_of(&self, case: &Case) -> bool {
        self.shape.as_ref().is_none_or(|stored| {
            let shape = Shape::of(case);
            let same_reference = shape.reference.is_none() || shape.reference == stored.reference;
            same_reference && *stored == Shape { reference: stored.reference.clone(), ..shape }
        })
    }
}

impl Baseline {
    /// The file of `machine` on `device`.
    pub fn path(folder: &Path, machine: &Machine, device: DeviceKind) -> PathBuf {
        folder.join(machine.name(device) + ".json")
    }

    /// Reads one file; a figure that cannot be is an error.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let baseline: Self = read_versioned(path, "baseline", SCHEMA)?;
        for (name, case) in &baseline.cases {
            let peaks = [case.process_peak_bytes, case.framework_peak_bytes].into_iter().flatten();
            let times = [case.speedup, case.step_seconds].into_iter().flatten();
            if peaks.map(|bytes| bytes as f64).chain(times).any(|figure| !(figure.is_finite() && figure > 0.0)) {
                return Err(ReadError::impossible(path, name));
            }
        }
        Ok(baseline)
    }

    /// The baseline for `machine`: of those in `folder` whose known properties agree its own file, else the first.
    ///
    /// Another file than its own agrees where an imported report does not know the GPU's cores, say.
    pub fn find(folder: &Path, machine: &Machine, device: DeviceKind) -> Result<Option<(PathBuf, Self)>, ReadError> {
        let own = Self::path(folder, machine, device);
        let mut agreeing = Self::all(folder)?;
        agreeing.retain(|(_, baseline)| baseline.device == device && baseline.machine.agrees_with(machine));
        let index = agreeing.iter().position(|(path, _)| *path == own).unwrap_or(0);
        Ok((!agreeing.is_empty()).then(|| agreeing.swap_remove(index)))
    }

    /// All machines' baselines in `folder`, by file name; none where there is no such folder.
    pub fn all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, ReadError> {
        let unreadable = |cause| ReadError::Io { path: folder.display().to_string(), cause };
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(unreadable)?.path());
        }
        paths.retain(|path| {
            path.extension().is_some_and(|extension| extension == "json")
                && path.file_name().is_some_and(|name| name != MODEL_MEMORY)
        });
        paths.sort();
        paths.into_iter().map(|path| Ok((path.clone(), Self::open(&path)?))).collect()
    }

    /// A baseline without cases.
    pub fn empty(machine: Machine, device: DeviceKind) -> Self {
        Self { schema: SCHEMA, machine, device, imported: None, cases: BTreeMap::new() }
    }

    /// This baseline with what `record` measured; cases that it did not measure stay.
    ///
    /// Measured figures end an import: the imported cases they do not replace are dropped.
    pub fn updated(&self, record: &RunRecord) -> Self {
        let mut updated = match &self.imported {
            Some(_) => Self::empty(record.machine.clone(), record.device),
            None => Self { machine: record.machine.clone(), ..self.clone() },
        };
        let figures = figures(record);
        for case in &record.cases {
            let Some(figures) = figures.get(&case.case.name) else { continue };
            let old = updated.cases.remove(&case.case.name).filter(|old| old.is_of(&case.case));
            // Measured without its reference, a case keeps the speedup it had.
            let kept = old.as_ref().filter(|_| case.case.reference.is_none());
            let shape = Shape::of(&case.case);
            let shape = kept.and_then(|old| old.shape.clone()).unwrap_or(shape);
            let kept_speedup = kept.and_then(|old| old.speedup);
            let mut jobs = old.map_or_else(Vec::new, |old| old.jobs);
            // Recording one run twice is recording it once.
            jobs.retain(|job| job.date != record.started);
            jobs.push(job(record, case, figures.speedup));
            jobs.drain(..jobs.len().saturating_sub(KEPT_JOBS));
            let stored = BaselineCase {
                frames: case.case.workload.frames,
                steps: case.case.workload.steps,
                shape: Some(shape),
                speedup: figures.speedup.map(|speedup| speedup.point).or(kept_speedup),
                step_seconds: Some(figures.step_seconds),
                framework_peak_bytes: figures.framework_peak_bytes,
                process_peak_bytes: figures.process_peak_bytes,
                jobs,
            };
            updated.cases.insert(case.case.name.clone(), stored);
        }
        updated
    }
}

fn job(record: &RunRecord, case: &CaseRecord, speedup: Option<Estimate>) -> Job {
    Job {
        date: record.started,
        commit: record.tool.commit.clone(),
        versions: case.measured().next().map(|(_, launch)| launch.versions.clone()).unwrap_or_default(),
        launches: case.measured().count(),
        mean_log_speedup: speedup.map(|speedup| speedup.point.ln()),
        deviation_log_speedup: speedup.and_then(|speedup| speedup.log_deviation),
        launch_step_seconds: case.measured().map(|(_, launch)| launch.median_step_seconds()).collect(),
    }
}
