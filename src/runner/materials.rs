//! What cases read: weights and inputs on disk, the same for every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::workloads;
use crate::config::{Case, Model, Suite, Workload};
use crate::forecast::Forecast;
use crate::protocol::{DeviceChoice, DeviceKind, Job, Second};
use crate::wan::CheckpointError;
use crate::wan::quantized::{self, Manifest};
use crate::wan::schedule::{Overrides, Schedule};
use crate::wan::{Checkpoint, DType, Expert, Experts, Quant, Quantized, Spec, synthetic};

/// Weights and inputs on disk, the same for every backend.
#[derive(Default)]
pub struct Materials {
    networks: BTreeMap<(String, Expert), Network>,
    quantized: BTreeMap<(String, Expert, Quant, DType), PathBuf>,
    inputs: BTreeMap<String, PathBuf>,
    /// What the configuration says of a model's schedule.
    schedules: BTreeMap<String, Overrides>,
}

/// One network on disk, checked.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its checkpoint's folder.
    pub folder: PathBuf,
    /// Its architecture.
    pub spec: Spec,
    /// Bytes of its checkpoint's largest tensor, which loading holds beside the model.
    pub largest_tensor_bytes: u64,
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
    /// Weights that were quantized beforehand cannot be used.
    #[error("{cause}\nrecreate it with `wanbench quantize`, or ignore it with --no-cache")]
    Quantized {
        /// What is wrong with them.
        cause: CheckpointError,
    },
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
    /// Opens the networks of `cases` and makes, or finds, the inputs of their workloads; what is made is under `cache`.
    pub fn prepare(
        cases: &[Case],
        models: &BTreeMap<String, Model>,
        cache: &Path,
        seed: u64,
    ) -> Result<Self, MaterialsError> {
        Self::open(cases, models, cache, seed)?.with_inputs(cases, cache, seed)
    }

    /// Opens the networks of `cases` alone: enough to know what they need.
    pub fn open(
        cases: &[Case],
        models: &BTreeMap<String, Model>,
        cache: &Path,
        seed: u64,
    ) -> Result<Self, MaterialsError> {
        let write = |cause| MaterialsError::Write { folder: cache.to_owned(), cause };
        let mut materials = Self::default();
        let wanted: BTreeSet<(&String, Expert)> = cases
            .iter()
            .flat_map(|case| {
                let Workload { model, experts, .. } = &case.workload;
                [Some(experts.first()), experts.second()].into_iter().flatten().map(move |expert| (model, expert))
            })
            .collect();
        for (name, expert) in wanted {
            let folder = match &models[name] {
                Model::Synthetic(spec) => synthetic::checkpoint(cache, spec, seed).map_err(write)?,
                Model::Checkpoint { folder, .. } => expert.folder(&std::path::absolute(folder).map_err(write)?)?,
            };
            let network = Network::open(folder)?;
            if let Model::Checkpoint { schedule, .. } = models[name] {
                materials.schedules.insert(name.clone(), schedule);
                materials.find_quantized(cases, (name, expert), &network, cache)?;
            }
            materials.networks.insert((name.clone(), expert), network);
        }
        materials.check_pairs(cases)?;
        Ok(materials)
    }

    /// The networks that take over from each other must be of one architecture.
    fn check_pairs(&self, cases: &[Case]) -> Result<(), CheckpointError> {
        for case in cases {
            let Some(second) = case.workload.experts.second() else { continue };
            let (first, second) = (self.network(case), &self.networks[&(case.workload.model.clone(), second)]);
            if first.spec != second.spec {
                let reason = format!(
                    "is of another architecture than {}: take both networks of one release",
                    first.folder.display()
                );
                return Err(CheckpointError::Malformed { path: second.folder.clone(), reason });
            }
        }
        Ok(())
    }

    /// Makes, or finds, the inputs of the workloads of `cases`, whose networks are open.
    pub fn with_inputs(mut self, cases: &[Case], cache: &Path, seed: u64) -> Result<Self, MaterialsError> {
        for group in workloads(cases) {
            let case = &cases[group[0]];
            let Workload { name, latent, text_rows, camera, .. } = &case.workload;
            let spec = &self.network(case).spec;
            check(&case.workload, spec)
                .map_err(|reason| MaterialsError::Workload { workload: name.clone(), reason })?;
            let path = synthetic::inputs(cache, spec, *latent, *text_rows, *camera, seed)
                .map_err(|cause| MaterialsError::Write { folder: cache.to_owned(), cause })?;
            self.inputs.insert(name.clone(), path);
        }
        Ok(self)
    }

    /// Weights are quantized from their checkpoints, whatever was quantized beforehand.
    pub fn without_quantized(self) -> Self {
        Self { quantized: BTreeMap::new(), ..self }
    }

    /// Finds what was quantized beforehand of `network` and fits both it and one of `cases`.
    fn find_quantized(
        &mut self,
        cases: &[Case],
        (model, expert): (&String, Expert),
        network: &Network,
        cache: &Path,
    ) -> Result<(), MaterialsError> {
        let fingerprint = quantized::fingerprint(&network.folder)?;
        for case in cases.iter().filter(|case| case.workload.model == *model) {
            let Some(layout) = case.quant.layout() else { continue };
            let folder = quantized::cached(cache, &fingerprint, layout, case.dtype);
            let broken = |cause| MaterialsError::Quantized { cause };
            match Manifest::open(&folder).map_err(broken)? {
                Some(manifest) if manifest.source == fingerprint => {
                    Quantized::open(&folder, &network.spec).map_err(broken)?;
                    self.quantized.insert((model.clone(), expert, case.quant, case.dtype), folder);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The network of a case's first step; the second is of the same architecture.
    pub fn network(&self, case: &Case) -> &Network {
        &self.networks[&(case.workload.model.clone(), case.workload.experts.first())]
    }

    /// What a launch of `case` will take on `device`.
    pub fn forecast(&self, case: &Case, device: DeviceKind) -> Forecast {
        let Network { spec, largest_tensor_bytes, .. } = self.network(case);
        Forecast::new(case, spec, *largest_tensor_bytes, device)
    }

    /// The job of one case.
    pub fn job(&self, case: &Case, device: DeviceChoice, output: Option<PathBuf>) -> Job {
        let network = self.network(case);
        Job {
            case: case.name.clone(),
            checkpoint: network.folder.clone(),
            quantized: self.quantized_of(case, case.workload.experts.first()),
            spec: network.spec.clone(),
            quant: case.quant,
            dtype: case.dtype,
            device,
            inputs: self.inputs[&case.workload.name].clone(),
            output,
        }
    }

    /// The noise levels of a case's run.
    pub fn schedule(&self, case: &Case) -> Schedule {
        let Workload { model, experts, .. } = &case.workload;
        let overrides = self.schedules.get(model).copied().unwrap_or_default();
        Schedule::of(&self.network(case).spec, *experts).with(overrides)
    }

    /// The network that takes over in a case's run over `sigmas`, if one does.
    pub fn second(&self, case: &Case, sigmas: &[f32]) -> Option<Second> {
        let expert = case.workload.experts.second()?;
        Some(Second {
            checkpoint: self.networks[&(case.workload.model.clone(), expert)].folder.clone(),
            quantized: self.quantized_of(case, expert),
            from_step: self.schedule(case).high_noise_steps(sigmas),
            is_resident: case.workload.experts == Experts::Both,
        })
    }

    fn quantized_of(&self, case: &Case, expert: Expert) -> Option<PathBuf> {
        self.quantized.get(&(case.workload.model.clone(), expert, case.quant, case.dtype)).cloned()
    }
}

/// The architecture of the checkpoint that `suite` runs; `None` where its model is built in.
///
/// # Errors
/// The checkpoint cannot be used.
pub fn spec(suite: &Suite, models: &BTreeMap<String, Model>) -> Result<Option<Spec>, CheckpointError> {
    let Model::Checkpoint { folder, .. } = &models[&suite.model] else { return Ok(None) };
    let experts = suite.cases.first().map(|case| case.workload.experts).unwrap_or_default();
    Ok(Some(Checkpoint::open(&experts.first().folder(folder)?)?.spec))
}

impl Network {
    /// Opens the checkpoint in `folder` and checks it.
    pub fn open(folder: PathBuf) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::open(&folder)?;
        let largest_tensor_bytes = checkpoint.largest_tensor_bytes();
        Ok(Self { folder, spec: checkpoint.spec, largest_tensor_bytes })
    }
}

/// What of a workload a network cannot compute.
fn check(workload: &Workload, spec: &Spec) -> Result<(), String> {
    spec.grid(workload.latent)?;
    if workload.camera && !spec.camera {
        return Err("it has camera = true, but the checkpoint has no camera layers".to_owned());
    }
    Ok(())
}
