//! What cases read: weights and inputs on disk, the same for every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::workloads;
use crate::matrix::{Case, Model};
use crate::protocol::{DeviceChoice, Job};
use crate::wan::checkpoint::CheckpointError;
use crate::wan::{Checkpoint, Spec, synthetic};

/// Weights and inputs on disk, the same for every backend.
pub struct Materials {
    checkpoints: BTreeMap<String, (PathBuf, Spec)>,
    inputs: BTreeMap<String, PathBuf>,
}

/// Why weights or inputs are not there.
#[derive(Debug, thiserror::Error)]
pub enum MaterialsError {
    /// Seeded data cannot be written.
    #[error("cannot write weights and inputs under {folder}: {cause}; free some space or set WANBENCH_CACHE")]
    Write {
        /// The cache folder.
        folder: PathBuf,
        /// The operating system's reason.
        cause: io::Error,
    },
    /// A configured checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A workload does not fit its model.
    #[error("workload `{workload}`: {reason}")]
    Workload {
        /// The workload's name.
        workload: String,
        /// What does not fit.
        reason: String,
    },
}

impl Materials {
    /// Makes, or finds, the data of all workloads of `cases` under `cache`.
    pub fn prepare(
        cases: &[Case],
        models: &BTreeMap<String, Model>,
        cache: &Path,
        seed: u64,
    ) -> Result<Self, MaterialsError> {
        let write = |cause| MaterialsError::Write { folder: cache.to_owned(), cause };
        let mut materials = Self { checkpoints: BTreeMap::new(), inputs: BTreeMap::new() };
        let names: BTreeSet<&String> = cases.iter().map(|case| &case.workload.model).collect();
        for name in names {
            let checkpoint = match &models[name] {
                Model::Synthetic(spec) => (synthetic::checkpoint(cache, spec, seed).map_err(write)?, spec.clone()),
                Model::Checkpoint(folder) => {
                    let folder = std::path::absolute(folder).map_err(write)?;
                    let spec = Checkpoint::open(&folder)?.spec;
                    (folder, spec)
                }
            };
            materials.checkpoints.insert(name.clone(), checkpoint);
        }
        for group in workloads(cases) {
            let workload = &cases[group[0]].workload;
            let spec = &materials.checkpoints[&workload.model].1;
            spec.grid(workload.latent)
                .map_err(|reason| MaterialsError::Workload { workload: workload.name.clone(), reason })?;
            let path = synthetic::inputs(cache, spec, workload.latent, workload.text_rows, workload.camera, seed);
            materials.inputs.insert(workload.name.clone(), path.map_err(write)?);
        }
        Ok(materials)
    }

    /// The job of one case.
    pub fn job(&self, case: &Case, device: DeviceChoice, output: Option<PathBuf>) -> Job {
        let (checkpoint, spec) = &self.checkpoints[&case.workload.model];
        Job {
            case: case.name.clone(),
            checkpoint: checkpoint.clone(),
            spec: spec.clone(),
            quant: case.quant,
            dtype: case.dtype,
            device,
            inputs: self.inputs[&case.workload.name].clone(),
            output,
        }
    }
}
