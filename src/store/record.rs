//! What a run measured, as it is saved: every launch with every step, so that verdicts can be recomputed.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Case;
use crate::machine::Machine;
use crate::protocol::{Device, DeviceKind, Digest, Rates};
use crate::stats;
use crate::text::format;
use crate::wan::work::{PartKind, Work};

/// Schema version of results.json.
pub const SCHEMA: u32 = 3;

/// The key of [`Tool::environment`] that says that each timed pass had a wake pass right before it: a baseline keeps it with each job,
/// as times without are others.
pub const WAKES: &str = "wanbench.wake";

/// One run of a suite on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// When the run began.
    pub started: Timestamp,
    /// The program that ran.
    pub tool: Tool,
    /// Where it ran.
    pub machine: Machine,
    /// The kind of device that all cases ran on.
    pub device: DeviceKind,
    /// Name of the suite.
    pub suite: String,
    /// Seed of weights, inputs and launch order.
    pub seed: u64,
    /// Launches planned per case.
    pub launches: usize,
    /// Forward passes before the timed steps of a launch.
    pub warmup_steps: u32,
    /// Wall time of the whole run, in seconds.
    pub wall_seconds: f64,
    /// Whether the run was ended from outside, before its last launch.
    pub interrupted: bool,
    /// Why the run ended by itself before its last block, if it did: its time was over, or it was suspended time and again.
    pub ended_early: Option<String>,
    /// Whether the processes of a block lived at the same time and took turns.
    pub side_by_side: bool,
    /// The revision that this one was measured beside, if there was one.
    pub base: Option<BaseRevision>,
    /// Whether flags selected some of the suite's cases, or put others in their place.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_selection: bool,
    /// The canary's readings, if one was launched.
    pub canary: Option<Canary>,
    /// What was noticed about the machine, in words.
    pub warnings: Vec<String>,
    /// The cases in the order of the configuration.
    pub cases: Vec<CaseRecord>,
}

/// The program that made a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// wanbench's version.
    pub version: String,
    /// Commit of the checkout the run was started in, if it was one.
    pub commit: Option<String>,
    /// Whether tool and workers were built with debug assertions.
    pub debug_build: bool,
    /// Environment variables that reached the workers and may change what they do, and the settings of an NVIDIA GPU that
    /// they ran on (`nvidia.driver`, …); files from before this field have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// The revision that head was measured beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseRevision {
    /// As it was named: a revision, or the folder of its workers.
    pub name: String,
    /// Its commit, where it was a revision.
    pub commit: Option<String>,
    /// What this change relaxes relative to it, in words: tolerances, removed cases, edited baselines.
    pub loosened: Vec<String>,
    /// The cases whose regression this change acknowledges, and the base does not.
    pub accepted: Vec<String>,
    /// The cases that the base does not have: nothing was launched of them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
}

/// The canary: a small fixed load before each block that shows whether the machine is as it was at rest.
///
/// It postpones blocks and ends no run. A block that began on an unsteady machine is judged as any other: the A/A control
/// and the intervals tell whether its times can be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The backend that it runs on.
    pub backend: String,
    /// Its step on the machine at rest, in seconds; the last value, where it moved.
    pub cold_seconds: f64,
    /// How much slower than that a block may start, in percent.
    pub tolerance_percent: f64,
    /// Its step each time that a block was to start, in order.
    pub reading_seconds: Vec<f64>,
    /// The blocks that were to start when it was slower, in order: each was dropped, and started again later.
    pub dropped: Vec<DroppedBlock>,
    /// When its step at rest moved to another level, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifts: Vec<CanaryShift>,
    /// The blocks that began though it had not come to rest, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrested: Vec<UnrestedBlock>,
    /// Before which block its process failed and why, if it did: the blocks from there on began without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A move of the canary's step at rest: the machine stays at another level than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryShift {
    /// Name of the workload whose block followed.
    pub workload: String,
    /// Which block.
    pub block: usize,
    /// The canary's step at rest before …
    pub from_seconds: f64,
    /// … and from then on.
    pub to_seconds: f64,
}

/// A block that began though the canary had not come to rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnrestedBlock {
    /// Name of the workload.
    pub workload: String,
    /// Which block.
    pub block: usize,
    /// The canary's step at its last reading.
    pub canary_seconds: f64,
}

/// A block that was not run when it was due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedBlock {
    /// Name of the workload.
    pub workload: String,
    /// Which block.
    pub block: usize,
    /// The canary's step.
    pub canary_seconds: f64,
    /// What was done about it, in words.
    pub reason: String,
}

/// One case and its launches, in the order they ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    /// What was measured.
    pub case: Case,
    /// Head's launches.
    pub launches: Vec<Launch>,
    /// The launches of the base revision's worker, in the same blocks.
    pub base_launches: Vec<Launch>,
    /// Its launches as A/A control, each in a block of its own launches: a workload's backends take turns.
    pub control_launches: Vec<Launch>,
    /// What one step computes; `None` where nothing is known of it.
    pub work: Option<Work>,
    /// Why it was not measured at all, if that was so.
    pub skipped: Option<Skipped>,
    /// Whether head's launch of the first block wrote an output; `None` where that launch did not go to its end, and in
    /// records that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_output: Option<bool>,
    /// The same of the base revision's launch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_base_output: Option<bool>,
    /// How the output compares with the reference's; `None` where one of the two wrote none. A reference has one only where
    /// its own output cannot be compared with any.
    pub parity: Option<Parity>,
    /// How the output compares with the base revision's of the same case; `None` where one of the two wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_parity: Option<Parity>,
    /// Where the time of head's and of the base revision's steps goes; `None` where that was not asked: the case did not regress
    /// beside the base, or another of its backend did so by more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_profile: Option<PairedProfile>,
}

/// What came of profiling head and the base revision in turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairedProfile {
    /// Pairs of fresh processes, in the order they ran.
    Profiled(Vec<ProfiledPair>),
    /// The pairs before one that failed, or for which there was no time left.
    Partly {
        /// Those before, in the order they ran.
        pairs: Vec<ProfiledPair>,
        /// Why there are no more.
        failure: Failure,
    },
    /// There were none, or too few, before one of the processes failed or the time was over.
    Failed(Failure),
}

impl PairedProfile {
    /// The pairs that went to their end.
    pub fn pairs(&self) -> &[ProfiledPair] {
        match self {
            Self::Profiled(pairs) | Self::Partly { pairs, .. } => pairs,
            Self::Failed(_) => &[],
        }
    }
}

/// A process of head and one of the base revision that took turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfiledPair {
    /// Head's passes.
    pub head: ProfiledPasses,
    /// The base revision's.
    pub base: ProfiledPasses,
}

/// The passes of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfiledPasses {
    /// Those that ran as a step does.
    pub step_seconds: Vec<f64>,
    /// The parts of as many others, in the order of computation.
    pub parts: Vec<KindSeconds>,
}

/// The time of all parts of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindSeconds {
    /// What they do.
    pub kind: PartKind,
    /// Whether they are in the blocks.
    pub in_blocks: bool,
    /// Their sum in each pass.
    pub seconds: Vec<f64>,
}

/// What an arm is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmKind {
    /// The revision under test.
    Head,
    /// The revision before it.
    Base,
    /// Head a second time, as A/A control: any difference between the two comes from the machine.
    Control,
}

/// Why nothing was launched of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Skipped {
    /// The machine has too little memory for it.
    Memory {
        /// What a launch is expected to take.
        needs_bytes: u64,
        /// What the device had.
        has_bytes: u64,
    },
    /// The checkpoint cannot compute it.
    Layers {
        /// What it does not have.
        lacks: Layers,
    },
}

/// Layers that some networks have and others not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// LingBot-World's camera control.
    Camera,
}

/// How far a case's final latent is from another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// ‖output − other‖ / ‖other‖. `None` for an output that cannot be compared: no readable file, none or other elements
    /// than the other, a value that is not finite, or nothing but zeros to compare with.
    pub relative_error: Option<f64>,
}

/// One fresh worker process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Block the launch belongs to, from 0: one launch of every case of the workload, close in time.
    pub block: usize,
    /// Place in the block's order, from 0.
    pub position: usize,
    /// Wall time that the tool spent on it, from the process's start to its end without the turns of others.
    pub wall_seconds: f64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly all are measured: a box would save no memory")]
pub enum Outcome {
    /// It went to its end.
    Measured(Measured),
    /// It did not.
    Failed(Failure),
}

/// The figures of a whole launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The device that ran.
    pub device: Device,
    /// Versions of what decides the speed, by name.
    pub versions: BTreeMap<String, String>,
    /// Bytes of the weights as the framework holds them.
    pub model_bytes: u64,
    /// From the process's start until its device was open.
    pub startup_seconds: f64,
    /// Loading, quantizing and moving to the device.
    pub load_seconds: f64,
    /// The part of it that went into quantizing; `None` where nothing was quantized then.
    pub quantize_seconds: Option<f64>,
    /// The process's peak when loading was over, if the system tells.
    pub load_peak_bytes: Option<u64>,
    /// All warm-up steps together.
    pub warmup_seconds: f64,
    /// The timed steps in order.
    pub step_seconds: Vec<f64>,
    /// The wake pass before each of them; empty where none were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wake_seconds: Vec<f64>,
    /// Between two steps, from the first network's end until the second could run; `None` where one computes all.
    pub switch_seconds: Option<f64>,
    /// The machine's rates right after the last step, if the worker measures them.
    pub rates: Option<Rates>,
    /// The framework's own peak, if it keeps one.
    pub framework_peak_bytes: Option<u64>,
    /// The process's peak, if the system tells.
    pub process_peak_bytes: Option<u64>,
    /// The final latent's digest, if the worker computes one.
    pub output: Option<Digest>,
}

/// Why a launch gave no figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What happened, in one sentence.
    pub reason: String,
    /// The last lines of the worker's standard error.
    pub stderr_tail: Vec<String>,
}

impl RunRecord {
    /// The cases that failed, with the reason of the first failure.
    pub fn failures(&self) -> impl Iterator<Item = (&CaseRecord, &Failure)> {
        self.cases.iter().filter_map(|case| case.failure().map(|failure| (case, failure)))
    }

    /// Blocks that the run has done, of whichever workload has most.
    pub fn blocks(&self) -> usize {
        self.cases.iter().map(|case| case.launches.len()).max().unwrap_or(0)
    }

    /// Whether each timed pass had a wake pass right before it.
    pub fn wakes(&self) -> bool {
        self.tool.environment.contains_key(WAKES)
    }

    /// Blocks that began though the canary had not come to rest.
    pub fn unrested_blocks(&self) -> usize {
        self.canary.as_ref().map_or(0, |canary| canary.unrested.len())
    }

    /// Whether anything was launched of a base revision: one that is only named measures nothing.
    pub fn has_base_launches(&self) -> bool {
        self.cases.iter().any(|case| !case.base_launches.is_empty())
    }

    /// The record of the case `name`.
    pub fn case(&self, name: &str) -> Option<&CaseRecord> {
        self.cases.iter().find(|case| case.case.name == name)
    }
}

impl ArmKind {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Head, Self::Base, Self::Control];
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { needs_bytes, has_bytes } => f.write_str(&format::shortage(*needs_bytes, *has_bytes)),
            Self::Layers { lacks: Layers::Camera } => f.write_str("the checkpoint has no camera layers"),
        }
    }
}

impl BaseRevision {
    /// A base relative to which nothing is known to be relaxed or accepted.
    pub fn new(name: String, commit: Option<String>) -> Self {
        Self { name, commit, loosened: Vec::new(), accepted: Vec::new(), lacks: Vec::new() }
    }
}

impl Parity {
    /// Of an output that cannot be compared.
    pub const INCOMPARABLE: Self = Self { relative_error: None };
}

impl CaseRecord {
    /// Nothing measured yet.
    pub fn new(case: &Case) -> Self {
        Self {
            case: case.clone(),
            launches: Vec::new(),
            base_launches: Vec::new(),
            control_launches: Vec::new(),
            work: None,
            skipped: None,
            has_output: None,
            has_base_output: None,
            parity: None,
            base_parity: None,
            paired_profile: None,
        }
    }

    /// The launches that went to their end, with their block.
    pub fn measured(&self) -> impl Iterator<Item = (usize, &Measured)> {
        measured(&self.launches)
    }

    /// The launches of the arm `kind`.
    pub fn launches_of(&self, kind: ArmKind) -> &[Launch] {
        match kind {
            ArmKind::Head => &self.launches,
            ArmKind::Base => &self.base_launches,
            ArmKind::Control => &self.control_launches,
        }
    }

    /// The launches of the arm `kind`, to add to.
    pub fn launches_mut(&mut self, kind: ArmKind) -> &mut Vec<Launch> {
        match kind {
            ArmKind::Head => &mut self.launches,
            ArmKind::Base => &mut self.base_launches,
            ArmKind::Control => &mut self.control_launches,
        }
    }

    /// Whether a launch of the arm `kind` failed.
    pub fn has_failed(&self, kind: ArmKind) -> bool {
        failure(self.launches_of(kind)).is_some()
    }

    /// The first failure, if any launch failed.
    pub fn failure(&self) -> Option<&Failure> {
        failure(&self.launches)
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The first failure of `launches`, if any failed.
pub fn failure(launches: &[Launch]) -> Option<&Failure> {
    launches.iter().find_map(|launch| match &launch.outcome {
        Outcome::Failed(failure) => Some(failure),
        Outcome::Measured(_) => None,
    })
}

/// Of `launches`, those that went to their end, with their block.
pub fn measured(launches: &[Launch]) -> impl Iterator<Item = (usize, &Measured)> {
    launches.iter().filter_map(|launch| match &launch.outcome {
        Outcome::Measured(measured) => Some((launch.block, measured)),
        Outcome::Failed(_) => None,
    })
}

impl Measured {
    /// The launch's statistic: the median of its timed steps, in seconds.
    pub fn median_step_seconds(&self) -> f64 {
        stats::median(&self.step_seconds)
    }

    /// What the denoising took: its timed steps, and the switch between them from the first network to the second.
    pub fn total_seconds(&self) -> f64 {
        self.step_seconds.iter().sum::<f64>() + self.switch_seconds.unwrap_or_default()
    }
}
