//! What a worker answers: one event per line.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Device;
use crate::wan::work::Part;

/// What a worker tells: one per line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The worker understood the request and opened its device.
    Ready(Ready),
    /// Loading goes on; any number of them before `loaded` and `switched`.
    Loading(Loading),
    /// The weights are on the device.
    Loaded(Loaded),
    /// The warm-up is over.
    Warmed(Warmed),
    /// The second network is in use; in answer to the turn of its first step, before the step.
    Switched(Switched),
    /// One timed step is over.
    Step(Step),
    /// The parts of a pass; the last line.
    Profiled(Profiled),
    /// The machine's rates; the last line.
    Rated(Rated),
    /// Everything asked for is done; the last line.
    Done(Done),
    /// It cannot be done; the last line.
    Failed(Failed),
}

/// See [`Event::Ready`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// [`VERSION`](super::VERSION) of the worker.
    pub protocol: u32,
    /// Name of the worker program.
    pub worker: String,
    /// Where it runs.
    pub device: Device,
    /// Versions of what decides its speed: framework, binding, worker.
    pub versions: BTreeMap<String, String>,
    /// Whether it makes wake passes where a measurement asks for them.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub wakes: bool,
    /// Whether it answers `profile` in turns; another is not asked.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub profiles: bool,
}

/// See [`Event::Loading`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loading {
    /// Bytes of the checkpoint that are read so far.
    pub bytes: u64,
    /// Bytes of all that is to be read.
    pub total_bytes: u64,
    /// Time since loading began.
    pub seconds: f64,
}

/// See [`Event::Loaded`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// Bytes of the weights as the framework holds them, of all networks in memory.
    pub model_bytes: u64,
    /// Time from the checkpoint's opening until weights and inputs are on the device.
    pub seconds: f64,
    /// The part of it that went into quantizing; `None` where nothing was quantized.
    pub quantize_seconds: Option<f64>,
    /// The process's peak so far, as in [`Done::process_peak_bytes`].
    pub process_peak_bytes: Option<u64>,
}

/// See [`Event::Warmed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warmed {
    /// Time of all warm-up steps together.
    pub seconds: f64,
}

/// See [`Event::Switched`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switched {
    /// Time from the turn until the second network could run: letting go of the first and loading, where it was not there.
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
    /// Time of the wake pass before it, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_seconds: Option<f64>,
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
    /// The machine's rates, measured after the last step and after the peaks were read; absent where a worker measures
    /// none.
    pub rates: Option<Rates>,
}

/// What the machine does of the simplest work, in this framework: what a step's own rates are to be held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Floating-point operations a second of a large square matrix product in the case's arithmetic.
    pub gemm_flops_per_second: f64,
    /// Bytes a second, read and written together, of a large copy in the device's memory.
    pub copy_bytes_per_second: f64,
}

/// See [`Event::Profiled`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profiled {
    /// The passes as a step takes them.
    pub step_seconds: Vec<f64>,
    /// The parts in the order of computation.
    pub parts: Vec<PartTime>,
    /// As in [`Done::rates`].
    pub rates: Option<Rates>,
}

/// What a part of the network took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartTime {
    /// Which part of the network.
    pub part: Part,
    /// Its time in each of the profiled passes.
    pub seconds: Vec<f64>,
}

/// See [`Event::Rated`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rated {
    /// The machine's rates in this framework.
    pub rates: Rates,
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
