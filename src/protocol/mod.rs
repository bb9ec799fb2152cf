//! The JSON lines between wanbench and a worker, version [`VERSION`].
//!
//! wanbench starts a worker, writes one [`Request`] line to its standard input and keeps that open; the worker
//! answers with [`Event`] lines on its standard output and exits. While it measures it waits for a [`Turn`] line before
//! each timed step, so that workers side by side take turns. A worker ends when its standard input closes.
//! `docs/protocol.md` describes the exchange, `docs/protocol.schema.json` is generated from these types.

mod event;
mod request;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use event::{
    Digest, Done, Event, Failed, FailureKind, Loaded, Loading, PartTime, Profiled, Rated, Rates, Ready, Step, Switched,
    Warmed,
};
pub use request::{Forward, Job, Measure, Probe, Profile, Quantize, Rate, Request, Second, Turn};

/// Version of the protocol; a worker refuses requests of another.
pub const VERSION: u32 = 3;

/// The device asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// The GPU; an error where there is none.
    Gpu,
    /// The CPU, even where there is a GPU.
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

/// A device, as its framework names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Whether it is a GPU or the CPU.
    pub kind: DeviceKind,
    /// Its name, such as `mps` or `cuda:0`.
    pub name: String,
    /// Where its memory is; a worker that does not tell runs in the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryKind>,
}

/// Where a device's memory is, and so which peak tells what is held there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// The host's memory: the process's peak contains what the device holds.
    Unified,
    /// The device's own: only the framework's peak tells what is held there.
    Discrete,
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

/// For what is left out of a line where it is false.
fn is_false(value: &bool) -> bool {
    !value
}
