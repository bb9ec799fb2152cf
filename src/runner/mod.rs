//! The parent's side: launches workers in balanced blocks, one at a time, and records what came of each.

mod conversation;
pub mod event;
mod order;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use conversation::{forward, launch, probe};
pub use event::Event;
pub use order::balanced;
pub use process::Program;

use crate::matrix::{Case, Model};
use crate::protocol::{self, DeviceChoice, Job, Measure};
use crate::record::{CaseRecord, Failure, Launch, Outcome};
use crate::wan::checkpoint::CheckpointError;
use crate::wan::{Checkpoint, Spec, schedule, synthetic};

/// What to measure, and how.
pub struct Plan<'a> {
    /// The cases, workload by workload.
    pub cases: &'a [Case],
    /// Fresh processes per case.
    pub launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Longest a launch may take.
    pub timeout: Duration,
    /// Where to run.
    pub device: DeviceChoice,
    /// Seed of the launch order.
    pub seed: u64,
    /// The worker of every backend that the cases name.
    pub programs: &'a BTreeMap<String, Program>,
    /// Weights and inputs of the cases' workloads.
    pub materials: &'a Materials,
}

/// Runs the plan; a case whose launch fails is not launched again, the others go on.
///
/// `interrupted` ends the run between events: the running worker is killed, its launch forgotten. `on_block` sees the
/// records after every block, to save them.
pub fn measure(
    plan: &Plan,
    interrupted: &AtomicBool,
    mut on_event: impl FnMut(&Event),
    mut on_block: impl FnMut(&[CaseRecord]),
) -> Vec<CaseRecord> {
    let mut records: Vec<CaseRecord> =
        plan.cases.iter().map(|case| CaseRecord { case: case.clone(), launches: Vec::new() }).collect();
    let workloads = workloads(plan.cases);
    let orders: Vec<_> = workloads.iter().map(|arms| order::balanced(arms.len(), plan.launches, plan.seed)).collect();
    for block in 0..plan.launches {
        for (arms, orders) in workloads.iter().zip(&orders) {
            for (position, arm) in orders[block].iter().enumerate() {
                let record = &mut records[arms[*arm]];
                if record.failure().is_some() {
                    continue;
                }
                on_event(&Event::LaunchStarted { case: &record.case.name, block });
                let start = Instant::now();
                let outcome = launch_case(plan, &record.case, interrupted, &mut on_event);
                if interrupted.load(Ordering::Relaxed) {
                    return records;
                }
                on_event(&Event::LaunchEnded { case: &record.case.name, outcome: &outcome });
                record.launches.push(Launch { block, position, wall_seconds: start.elapsed().as_secs_f64(), outcome });
            }
        }
        on_block(&records);
    }
    records
}

fn launch_case(plan: &Plan, case: &Case, interrupted: &AtomicBool, on_event: &mut impl FnMut(&Event)) -> Outcome {
    let request = Measure {
        protocol: protocol::VERSION,
        job: plan.materials.job(case, plan.device, None),
        sigmas: schedule::sigmas(case.workload.steps, schedule::SHIFT),
        warmup_steps: plan.warmup_steps,
        extra_work: None,
    };
    let program = &plan.programs[&case.backend];
    match launch(program, &request, plan.timeout, interrupted, on_event) {
        Ok(measured) => Outcome::Measured(measured),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// The indices of the cases of each workload, in the cases' order.
fn workloads(cases: &[Case]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        match groups.iter_mut().find(|group| cases[group[0]].workload.name == case.workload.name) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

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

/// A failure without anything from the worker.
fn failure(reason: impl Into<String>) -> Failure {
    Failure { reason: reason.into(), stderr_tail: Vec::new() }
}
