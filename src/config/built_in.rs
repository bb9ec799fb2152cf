//! The backends that wanbench brings along: all that follows from a backend's name is here, and others ask.

use std::collections::BTreeSet;

use super::{Backend, OutputDemand};
use crate::wan::{DType, Quant};

/// A backend whose worker wanbench builds itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// `wanbench-mlx`.
    Mlx,
    /// `wanbench-torch`.
    Torch,
}

/// What of a backend's memory on a CPU is its own, beside weights and activations; fitted to measured peaks, see the tests of
/// `forecast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuMemory {
    /// Bytes of the program and its framework before anything is loaded.
    pub program_bytes: u64,
    /// Whether a layer's attention scores are in memory as a whole.
    pub holds_scores: bool,
    /// Whether quantized matrices are unpacked as a whole for their products.
    pub unpacks_weights: bool,
}

/// What of a backend's memory on an NVIDIA GPU is its own, beside weights; fitted to measured peaks, see the tests of `forecast`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CudaMemory {
    /// In f16 and bf16.
    pub half: Held,
    /// In f32.
    pub f32: Held,
    /// The share of the rows that are held where quantized matrices are unpacked for their products, whose kernels take the room of
    /// others in a command buffer; `None` for a backend that unpacks none.
    pub rows_beside_unpacked: Option<f64>,
    /// Whether each network in memory keeps what its pass works on, as one does that is recorded as a graph.
    pub is_recorded: bool,
}

/// What a pass holds beside the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// Bytes of work space, whatever the workload.
    pub workspace_bytes: u64,
    /// Rows of a token's width for each token.
    pub rows: f64,
}

/// The name of `backend` as its makers write it; one of the user's own keeps its name.
pub fn display_name(backend: &str) -> &str {
    match BuiltIn::named(backend) {
        Some(built_in) => built_in.display_name(),
        None => backend,
    }
}

/// The name of `backend` in the founding report's tables; one of the user's own keeps its name.
pub fn founding_name(backend: &str) -> &str {
    match BuiltIn::named(backend) {
        Some(built_in) => built_in.founding_name(),
        None => backend,
    }
}

/// The backend that the founding report's tables call `founding_name`: the inverse of [`founding_name`].
pub fn backend_of_founding_name(founding_name: &str) -> &str {
    match BuiltIn::ALL.into_iter().find(|built_in| built_in.founding_name() == founding_name) {
        Some(built_in) => built_in.name(),
        None => founding_name,
    }
}

/// How `backend` uses memory on a CPU; one of the user's own is taken for one like PyTorch.
pub fn cpu_memory(backend: &str) -> CpuMemory {
    BuiltIn::named(backend).unwrap_or(BuiltIn::Torch).cpu_memory()
}

/// Whether the built-in worker of `backend` compiles kernels on an NVIDIA GPU at run time and keeps them on disk.
pub fn compiles_kernels(backend: &str) -> bool {
    BuiltIn::named(backend) == Some(BuiltIn::Mlx)
}

/// How `backend` uses an NVIDIA GPU's memory; one of the user's own is taken for one like PyTorch.
pub fn cuda_memory(backend: &str) -> CudaMemory {
    BuiltIn::named(backend).unwrap_or(BuiltIn::Torch).cuda_memory()
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Mlx, Self::Torch];

    /// The one that a configuration calls `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|built_in| built_in.name() == name)
    }

    /// Its name in a configuration and in the names of cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mlx => "mlx",
            Self::Torch => "torch",
        }
    }

    fn display_name(self) -> &'static str {
        match self {
            Self::Mlx => "MLX",
            Self::Torch => "PyTorch",
        }
    }

    fn founding_name(self) -> &'static str {
        match self {
            Self::Mlx => "MLX",
            Self::Torch => "PYTORCH",
        }
    }

    fn cpu_memory(self) -> CpuMemory {
        const MIB: u64 = 1 << 20;
        match self {
            Self::Mlx => CpuMemory { program_bytes: 50 * MIB, holds_scores: true, unpacks_weights: true },
            Self::Torch => CpuMemory { program_bytes: 130 * MIB, holds_scores: false, unpacks_weights: false },
        }
    }

    fn cuda_memory(self) -> CudaMemory {
        const MIB: u64 = 1 << 20;
        match self {
            // What is under way at a time: the worker limits it.
            Self::Mlx => CudaMemory {
                half: Held { workspace_bytes: 0, rows: 41.0 },
                f32: Held { workspace_bytes: 20 * MIB, rows: 47.0 },
                rows_beside_unpacked: Some(0.86),
                is_recorded: false,
            },
            // cuBLAS takes 32 MiB.
            Self::Torch => {
                let held = Held { workspace_bytes: 35 * MIB, rows: 9.0 };
                CudaMemory { half: held, f32: held, rows_beside_unpacked: None, is_recorded: true }
            }
        }
    }

    /// What its worker can run.
    pub(super) fn backend(self) -> Backend {
        let quants = match self {
            Self::Mlx => BTreeSet::from(Quant::ALL),
            Self::Torch => BTreeSet::from([Quant::None]),
        };
        Backend { command: None, quants, dtypes: BTreeSet::from(DType::ALL), output: OutputDemand::Required }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_name_leads_back_to_the_backend() {
        for built_in in BuiltIn::ALL {
            assert_eq!(BuiltIn::named(built_in.name()), Some(built_in));
            assert_eq!(backend_of_founding_name(founding_name(built_in.name())), built_in.name());
        }
    }

    #[test]
    fn a_backend_of_ones_own_keeps_its_name() {
        assert_eq!([display_name("jax"), founding_name("jax"), backend_of_founding_name("jax")], ["jax"; 3]);
        assert_eq!(BuiltIn::named("MLX"), None);
    }
}
