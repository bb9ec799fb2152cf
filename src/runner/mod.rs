//! The parent's side: launches workers in balanced blocks and records what came of each.

mod block;
mod canary;
pub mod event;
mod launch;
mod materials;
mod order;
mod output;
mod pace;
mod process;
mod requests;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use canary::{CanaryPlan, canary_case};
pub use event::{Event, Wait};
pub use launch::Launch;
pub use materials::{Materials, MaterialsError, Network};
pub use order::balanced;
pub use output::read as read_output;
pub use pace::Pace;
pub use process::{Program, TOKEN_VARIABLE};
pub use requests::{forward, probe, profile, quantize, rate};

use pace::Pacer;

use crate::config::Case;
use crate::protocol::DeviceChoice;
use crate::store::record::{Canary, CaseRecord, Failure, Role};
use crate::wan::quant::model_bytes;
use crate::wan::work;

/// What to measure, and how.
pub struct Plan<'a> {
    /// The cases, workload by workload.
    pub cases: &'a [Case],
    /// Most fresh processes per arm.
    pub launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Longest a launch may be waited for.
    pub timeout: Duration,
    /// Where to run.
    pub device: DeviceChoice,
    /// Seed of the launch order.
    pub seed: u64,
    /// Whether the processes of a block live at the same time and take turns, step by step. What disturbs the machine for
    /// a second or a minute then falls on all alike; the price is memory for all of them at once.
    pub side_by_side: bool,
    /// The worker of every backend that the cases name.
    pub programs: &'a BTreeMap<String, Program>,
    /// The workers of the revision that head is compared with, if there is one.
    pub base_programs: Option<&'a BTreeMap<String, Program>>,
    /// Names of the cases that the revision does not have: nothing is launched of them there.
    pub base_lacks: &'a [String],
    /// Weights and inputs of the cases' workloads.
    pub materials: &'a Materials,
    /// Folder for the outputs of the first block, which are compared with the reference's and the base revision's.
    pub outputs: &'a Path,
    /// What each block waits for.
    pub pace: Pace<'a>,
}

/// What came of a plan, at its end or on the way.
#[derive(Clone, Debug)]
pub struct Progressed {
    /// The cases, in the plan's order.
    pub cases: Vec<CaseRecord>,
    /// What the canary told.
    pub canary: Option<Canary>,
    /// Why the run ended before its last block, if it did so by itself.
    pub ended_early: Option<String>,
    /// What the reader of the figures should know.
    pub warnings: Vec<String>,
}

/// One program on one case: what a block launches once.
#[derive(Clone, Debug)]
pub struct Arm<'a> {
    /// Index of the case in the plan.
    pub case: usize,
    /// What it is measured for.
    pub role: Role,
    /// The worker.
    pub program: &'a Program,
}

/// Runs the plan; a case whose launch fails is not launched again, the others go on.
///
/// `interrupted` ends the run between events: the running workers are killed, their block is forgotten. `on_block` sees
/// what there is after every round of blocks, to save it, and returns the workloads that need no further one.
pub fn measure(
    plan: &Plan,
    interrupted: &AtomicBool,
    mut on_event: impl FnMut(&Event),
    mut on_block: impl FnMut(&Progressed) -> BTreeSet<String>,
) -> Progressed {
    let workloads: Vec<(&str, Vec<Arm>)> = workloads(plan.cases)
        .iter()
        .map(|cases| (plan.cases[cases[0]].workload.name.as_str(), plan.arms(cases)))
        .collect();
    let orders: Vec<_> =
        workloads.iter().map(|(_, arms)| order::balanced(arms.len(), plan.launches, plan.seed)).collect();
    let (mut pacer, without_canary) = Pacer::start(plan, plan.launches * workloads.len(), interrupted, &mut on_event);
    let mut run = Progressed {
        cases: plan.cases.iter().map(|case| plan.record(case)).collect(),
        canary: pacer.canary(),
        ended_early: None,
        warnings: without_canary.into_iter().collect(),
    };
    let mut settled = BTreeSet::new();
    for block in 0..plan.launches {
        for ((name, arms), orders) in workloads.iter().zip(&orders) {
            if settled.contains(*name) {
                continue;
            }
            let admitted = pacer.admit(name, block, &mut on_event);
            run.canary = pacer.canary();
            if let Err(reason) = admitted {
                run.ended_early = Some(reason);
                return run;
            }
            let start = Instant::now();
            block::run(plan, arms, &orders[block], block, &mut run.cases, interrupted, &mut on_event);
            pacer.ended(name, start.elapsed());
            if interrupted.load(Ordering::Relaxed) {
                return run;
            }
        }
        settled = on_block(&run);
        settled.iter().for_each(|workload| on_event(&Event::WorkloadSettled { workload }));
    }
    run
}

impl Plan<'_> {
    /// The record of a case of which nothing is measured yet.
    fn record(&self, case: &Case) -> CaseRecord {
        let Network { spec, .. } = self.materials.network(case);
        let tokens = spec.tokens(case.workload.latent);
        let model_bytes = model_bytes(spec, case.quant, case.dtype);
        let work = work::forward(spec, tokens, case.workload.camera, model_bytes, case.dtype.size_bytes());
        CaseRecord { work: Some(work), ..CaseRecord::new(case) }
    }

    /// All arms, workload by workload.
    pub fn all_arms(&self) -> Vec<Arm<'_>> {
        workloads(self.cases).iter().flat_map(|cases| self.arms(cases)).collect()
    }

    /// The arms of one workload, whose cases' indices are `cases`.
    fn arms(&self, cases: &[usize]) -> Vec<Arm<'_>> {
        let mut arms = Vec::new();
        for case in cases {
            let program = &self.programs[&self.cases[*case].backend];
            arms.push(Arm { case: *case, role: Role::Head, program });
            let base = self.base_programs.and_then(|base| base.get(&self.cases[*case].backend));
            if let Some(program) = base.filter(|_| !self.base_lacks.contains(&self.cases[*case].name)) {
                arms.push(Arm { case: *case, role: Role::Base, program });
            }
            if self.cases[*case].is_reference() {
                arms.push(Arm { case: *case, role: Role::Control, program });
            }
        }
        arms
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

/// A failure without anything from the worker.
fn failure(reason: impl Into<String>) -> Failure {
    Failure { reason: reason.into(), stderr_tail: Vec::new() }
}
