//! The JSON lines between the tool and a worker, version [`VERSION`].
//!
//! The tool starts a worker, writes one [`Request`] line to its standard input and keeps that open; the worker
//! answers with [`Event`] lines on its standard output and exits. While it measures it waits for a [`Turn`] line before
//! each timed step, so that workers side by side take turns. A worker ends when its standard input closes.
//! `docs/protocol.md` describes the exchange, `docs/protocol.schema.json` is generated from these types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wan::{DType, Quant, Spec};

/// Version of the protocol; a worker refuses requests of another.
pub const VERSION: u32 = 2;

/// What the tool asks of a worker: one line, one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Open the device and tell about it: answered by `ready`.
    Probe(Probe),
    /// Time denoising steps: answered by `ready`, `loaded`, `warmed`, a `step` for each turn, `done`.
    Measure(Measure),
    /// Run the network once: answered by `ready`, `loaded`, `done`.
    Forward(Forward),
}

/// See [`Request::Probe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// [`VERSION`] of the sender.
    pub protocol: u32,
    /// Where to run.
    pub device: DeviceChoice,
}

/// See [`Request::Measure`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// [`VERSION`] of the sender.
    pub protocol: u32,
    /// The network and its inputs.
    pub job: Job,
    /// Noise levels, one more than there are timed steps. Step k runs the network at timestep 1000·σₖ (timed) and
    /// then sets x ← x + (σₖ₊₁ − σₖ)·v (untimed).
    pub sigmas: Vec<f32>,
    /// Forward passes before the first timed step, at σ₀, their output dropped.
    pub warmup_steps: u32,
    /// Work that every pass does in vain, as a share of its own: a known slowdown, to prove that slowdowns are found.
    /// Only wanbench's own workers know it, and only a proof sends it, so it is no part of the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub extra_work: Option<f64>,
}

/// See [`Request::Forward`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// [`VERSION`] of the sender.
    pub protocol: u32,
    /// The network and its inputs.
    pub job: Job,
    /// The timestep, as the network takes it.
    pub t: f32,
}

/// A line to a worker that measures, after its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Turn {
    /// Take the next timed step now; the others wait meanwhile.
    Step,
}

/// One case, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The case's name, for messages.
    pub case: String,
    /// Folder of the checkpoint: `config.json` and safetensors.
    pub checkpoint: PathBuf,
    /// The architecture that the checkpoint declares, for workers that need no weights.
    pub spec: Spec,
    /// Weight quantization.
    pub quant: Quant,
    /// Arithmetic.
    pub dtype: DType,
    /// Where to run.
    pub device: DeviceChoice,
    /// Safetensors file of the inputs `x`, `y`, `context`, `c2ws_plucker_emb`.
    pub inputs: PathBuf,
    /// Where to write the output as safetensors, tensor `output`; not written when absent.
    pub output: Option<PathBuf>,
}

/// The device asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The GPU; an error where there is none.
    Gpu,
    /// The CPU.
    Cpu,
}

/// The kind of device that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Metal, MPS or CUDA.
    Gpu,
    /// The host's processor.
    Cpu,
}

/// What a worker tells: one per line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The worker understood the request and opened its device.
    Ready(Ready),
    /// The weights are on the device.
    Loaded(Loaded),
    /// The warm-up is over.
    Warmed(Warmed),
    /// One timed step is over.
    Step(Step),
    /// Everything asked for is done; the last line.
    Done(Done),
    /// It cannot be done; the last line.
    Failed(Failed),
}

/// See [`Event::Ready`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// [`VERSION`] of the worker.
    pub protocol: u32,
    /// Name of the worker program.
    pub worker: String,
    /// Where it runs.
    pub device: Device,
    /// Versions of what decides its speed: framework, binding, worker.
    pub versions: BTreeMap<String, String>,
}

/// A device, as its framework names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its name, such as `mps` or `cuda:0`.
    pub name: String,
}

/// See [`Event::Loaded`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// Bytes of the weights as the framework holds them.
    pub model_bytes: u64,
    /// Time from the checkpoint's opening until weights and inputs are on the device.
    pub seconds: f64,
}

/// See [`Event::Warmed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warmed {
    /// Time of all warm-up steps together.
    pub seconds: f64,
}

/// See [`Event::Step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From 0, in order.
    pub index: usize,
    /// Time of the forward pass, synchronized with the device.
    pub seconds: f64,
}

/// See [`Event::Done`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// The framework's own peak from the end of loading on, weights included; absent where it keeps none.
    pub framework_peak_bytes: Option<u64>,
    /// The process's peak: on macOS the lifetime maximum of the physical footprint, on Linux the peak resident set.
    pub process_peak_bytes: Option<u64>,
    /// The final latent (of a `forward`: the network's output); absent where a worker computes none.
    pub output: Option<Digest>,
}

/// What identifies an output without carrying it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// SHA-256 of the elements as little-endian f32, in hexadecimal.
    pub sha256: String,
    /// Number of elements.
    pub elements: usize,
    /// Euclidean norm.
    pub norm: f64,
}

/// See [`Event::Failed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened and the way out, in one sentence.
    pub message: String,
}

/// Why a worker gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// This worker, build or device cannot run the case at all.
    Unsupported,
    /// The request, checkpoint or inputs are wrong.
    Input,
    /// Anything else.
    Internal,
}

/// Both sides in one schema, for `docs/protocol.schema.json`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Protocol {
    /// The first line to the worker.
    request: Request,
    /// A later line to it.
    turn: Turn,
    /// A line from the worker.
    event: Event,
}

impl Request {
    /// Where the sender wants it to run.
    pub fn device(&self) -> DeviceChoice {
        match self {
            Self::Probe(probe) => probe.device,
            Self::Measure(measure) => measure.job.device,
            Self::Forward(forward) => forward.job.device,
        }
    }
}

impl DeviceChoice {
    /// Whether a worker that runs on `kind` does what was asked.
    pub fn allows(self, kind: DeviceKind) -> bool {
        match self {
            Self::Auto => true,
            Self::Gpu => kind == DeviceKind::Gpu,
            Self::Cpu => kind == DeviceKind::Cpu,
        }
    }
}

impl DeviceKind {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        }
    }
}
