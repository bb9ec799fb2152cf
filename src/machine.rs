//! The machine: its fingerprint.

use serde::{Deserialize, Serialize};

/// What decides a machine's speed; two machines of one fingerprint share baselines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's marketing name, such as `Apple M3 Ultra`.
    pub chip: String,
    /// Logical processors; `None` where a baseline was imported without knowing.
    pub cpu_cores: Option<usize>,
    /// Cores of an Apple GPU, or `None`.
    pub gpu_cores: Option<usize>,
    /// A discrete GPU's name, such as `NVIDIA H100`, or `None`.
    pub gpu: Option<String>,
    /// Memory in GiB, rounded.
    pub memory_gib: u64,
    /// `macos` or `linux`.
    pub os: String,
}

impl Machine {
    /// The name of this machine's baseline when `device` runs, such as `apple-m3-ultra-512gb`.
    pub fn name(&self, _device: crate::protocol::DeviceKind) -> String {
        todo!()
    }

    /// Whether all that this (a baseline's) machine knows is so on `other`.
    pub fn agrees_with(&self, _other: &Self) -> bool {
        todo!()
    }
}
