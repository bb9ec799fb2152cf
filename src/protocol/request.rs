//! What the tool writes: one request, then turns.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeviceChoice;
use crate::wan::{DType, Quant, Spec};

/// What the tool asks of a worker: one line, one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Open the device and tell about it: answered by `ready`.
    Probe(Probe),
    /// Time denoising steps: answered by `ready`, `loaded`, `warmed`, a `step` for each turn, `done`; before the step in
    /// which a second network takes over, `switched`.
    Measure(Measure),
    /// Run the network once: answered by `ready`, `loaded`, `done`.
    Forward(Forward),
    /// Tell where a pass's time goes: answered by `ready`, `loaded`, where it is done in turns `warmed` and a `step` for each
    /// turn, `profiled`.
    Profile(Profile),
    /// Measure the machine's own rates: answered by `ready`, `rated`.
    Rate(Rate),
    /// Save the weights quantized: answered by `ready`, `loaded`, `done`.
    Quantize(Quantize),
}

/// See [`Request::Probe`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// [`VERSION`](super::VERSION) of the sender.
    pub protocol: u32,
    /// Where to run.
    pub device: DeviceChoice,
}

/// See [`Request::Measure`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// [`VERSION`](super::VERSION) of the sender.
    pub protocol: u32,
    /// The network and its inputs.
    pub job: Job,
    /// Noise levels, one more than there are timed steps. Step k runs the network at timestep 1000·σₖ (timed) and
    /// then sets x ← x + (σₖ₊₁ − σₖ)·v (untimed).
    pub sigmas: Vec<f32>,
    /// Forward passes before the first timed step, at σ₀, their output dropped.
    pub warmup_steps: u32,
    /// The network that takes over on the way, if one does.
    pub second: Option<Second>,
    /// Whether each timed pass has a wake pass right before it, untimed and at the same timestep: a GPU that was idle while others had
    /// their turn would be timed while it speeds up. Sent to workers only that said in `ready` that they make them.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub wake: bool,
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
    /// [`VERSION`](super::VERSION) of the sender.
    pub protocol: u32,
    /// The network and its inputs.
    pub job: Job,
    /// The timestep, as the network takes it.
    pub t: f32,
}

/// A network of the same architecture that takes over from the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// Folder of its checkpoint.
    pub checkpoint: PathBuf,
    /// As [`Job::quantized`].
    pub quantized: Option<PathBuf>,
    /// Index of its first step.
    pub from_step: usize,
    /// Whether it is in memory beside the first from the start, and warmed up too; else it is loaded when it is due, once
    /// the first is gone.
    pub is_resident: bool,
}

/// See [`Request::Profile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`VERSION`](super::VERSION) of the sender.
    pub protocol: u32,
    /// The network and its inputs.
    pub job: Job,
    /// The timestep, as the network takes it.
    pub t: f32,
    /// Passes of each kind before the first that counts.
    pub warmup_steps: u32,
    /// Passes as a step takes them and passes whose parts are timed, alternating: so many of each.
    pub passes: usize,
    /// Whether each pass as a step takes it waits, with the one after it, for a turn, as a measurement's steps do. The end of the
    /// warm-up is then told by `warmed`, and each turn answered by `step`, once both passes are done.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub in_turns: bool,
    /// As [`Measure::wake`], before each pass as a step takes it.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub wake: bool,
}

/// See [`Request::Rate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// [`VERSION`](super::VERSION) of the sender.
    pub protocol: u32,
    /// Where to run.
    pub device: DeviceChoice,
    /// Arithmetic of the matrix products.
    pub dtype: DType,
}

/// See [`Request::Quantize`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantize {
    /// [`VERSION`](super::VERSION) of the sender.
    pub protocol: u32,
    /// Folder of the checkpoint: `config.json` and safetensors.
    pub checkpoint: PathBuf,
    /// Weight quantization.
    pub quant: Quant,
    /// Of all that is not packed.
    pub dtype: DType,
    /// Where to run.
    pub device: DeviceChoice,
    /// The safetensors file to write.
    pub output: PathBuf,
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
    /// Folder of the same weights, quantized beforehand as `quant` and `dtype` say, to be loaded in the checkpoint's place;
    /// a worker that cannot read it quantizes the checkpoint's.
    pub quantized: Option<PathBuf>,
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

impl Request {
    /// Where the sender wants it to run.
    pub fn device(&self) -> DeviceChoice {
        match self {
            Self::Probe(probe) => probe.device,
            Self::Measure(measure) => measure.job.device,
            Self::Forward(forward) => forward.job.device,
            Self::Profile(profile) => profile.job.device,
            Self::Rate(rate) => rate.device,
            Self::Quantize(quantize) => quantize.device,
        }
    }
}
