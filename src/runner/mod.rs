//! The parent's side: launches workers in balanced blocks and records what came of each.

mod block;
mod canary;
pub mod event;
mod exchange;
mod interruptions;
mod launch;
mod materials;
mod order;
mod output;
mod pace;
mod paired_profile;
mod pauses;
mod pipes;
mod prepare;
mod process;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

pub use canary::{CanaryPlan, canary_case};
pub use event::{RunEvent, Wait};
pub use interruptions::Interruptions;
pub use launch::RunningLaunch;
pub use materials::{Materials, MaterialsError, Network, spec};
pub use order::balanced;
pub use output::read as read_output;
pub use pace::Pace;
pub use paired_profile::paired_profile;
pub use pauses::{Paused, pauses};
pub use prepare::Kernels;
pub use process::{Deadline, Program, withhold_secrets};
pub use requests::{Probed, forward, probe, profile, quantize, rate};

use pace::Pacer;

use crate::config::Case;
use crate::protocol::DeviceChoice;
use crate::store::record::{ArmKind, Canary, CaseRecord, Failure};
use crate::text::format;
use crate::wan::quant::model_bytes;
use crate::wan::work;

/// What to measure, and how.
pub struct RunPlan<'a> {
    /// The cases, workload by workload.
    pub cases: &'a [Case],
    /// Most fresh processes per arm.
    pub launches: usize,
    /// Untimed forward passes per launch.
    pub warmup_steps: u32,
    /// Longest a launch may be waited for, see [`Deadline::of_launch`].
    pub timeout: Duration,
    /// Where to run.
    pub device: DeviceChoice,
    /// Seed of the launch order.
    pub seed: u64,
    /// Whether the processes of a block live at the same time and take turns, step by step. What disturbs the machine for
    /// a second or a minute then falls on all alike; the price is memory for all of them at once.
    pub side_by_side: bool,
    /// Whether each timed pass has a wake pass before it.
    pub wakes: bool,
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
    /// Kernels that are compiled at run time and kept on this machine, where there are such: before anything is measured, each
    /// case is launched once whose kernels are not there yet.
    pub kernels: Option<Kernels>,
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
    /// How much of the time limit is left; `None` without one.
    pub time_left: Option<Duration>,
}

impl Progressed {
    /// The cases of which a launch failed.
    fn failed(&self) -> impl Iterator<Item = &CaseRecord> {
        self.cases.iter().filter(|case| case.failure().is_some())
    }
}

/// One program on one case: what a block launches once.
#[derive(Clone, Debug)]
pub struct Arm<'a> {
    /// Index of the case in the plan.
    pub case: usize,
    /// What it is measured for.
    pub kind: ArmKind,
    /// The worker.
    pub program: &'a Program,
}

/// How often a block may be measured again because it was suspended.
const MOST_SUSPENDED: usize = 10;

/// Runs the plan; a case whose launch fails is not launched again, the others go on.
///
/// An interruption ends the run between events: the running workers are killed, launches that came to their end are kept.
/// `on_block` sees what there is after every block, to save it. `on_round` sees it after every round over all workloads, and
/// returns the names of the cases that need no further launch.
pub fn measure(
    plan: &RunPlan,
    interruptions: &Interruptions,
    mut on_event: impl FnMut(&RunEvent),
    mut on_block: impl FnMut(&Progressed),
    mut on_round: impl FnMut(&Progressed) -> BTreeSet<String>,
) -> Progressed {
    let workloads = workloads(plan.cases);
    prepare::compile_kernels(plan, interruptions, &mut on_event);
    let (mut pacer, without_canary) = Pacer::start(plan, plan.launches * workloads.len(), interruptions, &mut on_event);
    let mut run = Progressed {
        cases: plan.cases.iter().map(|case| plan.record(case)).collect(),
        canary: pacer.canary(),
        ended_early: None,
        warnings: without_canary.into_iter().collect(),
        time_left: pacer.time_left(),
    };
    let mut settled: BTreeSet<String> = BTreeSet::new();
    for block in 0..plan.launches {
        for cases in &workloads {
            let live = cases.iter().copied().filter(|case| !settled.contains(&plan.cases[*case].name));
            let live: Vec<usize> = live.collect();
            if live.is_empty() {
                continue;
            }
            let measured = measure_block(plan, &live, block, &mut pacer, &mut run, interruptions, &mut on_event);
            run.canary = pacer.canary();
            run.time_left = pacer.time_left();
            on_block(&run);
            if let Err(reason) = measured {
                run.ended_early = Some(reason);
                return run;
            }
            if interruptions.is_interrupted() {
                return run;
            }
            if block == 0 {
                // Only once the launches are saved: a long look at outputs loses none of them.
                output::compare_files(plan, &live, &mut run.cases);
                on_block(&run);
            }
        }
        let failed = run.failed().map(|case| case.case.name.clone());
        for case in on_round(&run).into_iter().chain(failed) {
            if !settled.contains(&case) {
                on_event(&RunEvent::CaseSettled { case: &case });
                settled.insert(case);
            }
        }
    }
    run
}

/// Waits until the block of the workload whose cases have the indices `live` may begin, and measures it: again, and told in
/// the run's warnings, where it was suspended.
///
/// # Errors
/// Why the run must end.
fn measure_block(
    plan: &RunPlan,
    live: &[usize],
    block: usize,
    pacer: &mut Pacer,
    run: &mut Progressed,
    interruptions: &Interruptions,
    on_event: &mut impl FnMut(&RunEvent),
) -> Result<(), String> {
    let workload = plan.cases[live[0]].workload.name.as_str();
    for _ in 0..MOST_SUSPENDED {
        pacer.admit(workload, block, on_event)?;
        let start = Instant::now();
        let arms = plan.arms(live, &run.cases);
        let order = &order::balanced(arms.len(), plan.launches, plan.seed)[block];
        let measured = block::run(plan, &arms, order, block, &mut run.cases, interruptions, on_event);
        let Err(suspended) = measured else {
            pacer.ended(workload, start.elapsed());
            return Ok(());
        };
        let suspended = format::duration(suspended.as_secs_f64());
        let reason = format!("wanbench or the machine was suspended for {suspended} meanwhile: measured again");
        on_event(&RunEvent::BlockDropped { workload, block, reason: &reason });
        run.warnings.push(format!("{workload}, block {}: {reason}", block + 1));
    }
    Err(format!(
        "{workload}, block {}: wanbench or the machine was suspended {MOST_SUSPENDED} times in a row: keep the machine from \
         sleeping",
        block + 1
    ))
}

impl RunPlan<'_> {
    /// The record of a case of which nothing is measured yet.
    fn record(&self, case: &Case) -> CaseRecord {
        let Network { spec, .. } = self.materials.network(case);
        let tokens = spec.tokens(case.workload.latent);
        let model_bytes = model_bytes(spec, case.quant, case.dtype);
        let work = work::of_forward_pass(spec, tokens, case.workload.camera, model_bytes, case.dtype.size_bytes());
        CaseRecord { work: Some(work), ..CaseRecord::new(case) }
    }

    /// All arms, workload by workload, each with the most launches that it may have.
    pub fn all_arms(&self) -> Vec<(Arm<'_>, usize)> {
        let of_workload = |cases: Vec<usize>| {
            let controlled = self.controlled(&cases);
            let share = self.launches.div_ceil(controlled.len().max(1));
            let of_case = move |case: usize| {
                let control = controlled.contains(&case).then(|| (self.arm(case, ArmKind::Control), share));
                let compared = self.compared(case).map(|arm| (arm, self.launches)).collect::<Vec<_>>();
                compared.into_iter().chain(control)
            };
            cases.into_iter().flat_map(of_case).collect::<Vec<_>>()
        };
        workloads(self.cases).into_iter().flat_map(of_workload).collect()
    }

    /// The most processes that live at the same time, the canary's among them.
    pub fn most_processes(&self) -> usize {
        let of_block = |cases: &Vec<usize>| {
            let compared = cases.iter().map(|case| self.compared(*case).count()).sum::<usize>();
            compared + self.controlled(cases).len().min(1)
        };
        let block = workloads(self.cases).iter().map(of_block).max().unwrap_or(0);
        usize::from(self.pace.canary.is_some()) + if self.side_by_side { block } else { block.min(1) }
    }

    /// The arms of one block of a workload, of whose cases those with the indices `live` go on: head and base of each, and a
    /// control of the backend that had the fewest so far.
    fn arms(&self, live: &[usize], records: &[CaseRecord]) -> Vec<Arm<'_>> {
        let control = self.controlled(live).into_iter().min_by_key(|case| records[*case].control_launches.len());
        let of_case = |case: &usize| {
            let control = control.filter(|it| it == case).map(|it| self.arm(it, ArmKind::Control));
            self.compared(*case).chain(control).collect::<Vec<_>>()
        };
        live.iter().flat_map(of_case).collect()
    }

    /// Head and base of a case, the latter where there is one.
    fn compared(&self, case: usize) -> impl Iterator<Item = Arm<'_>> {
        let Case { backend, name, .. } = &self.cases[case];
        let base = self.base_programs.and_then(|base| base.get(backend));
        let base = base.filter(|_| !self.base_lacks.contains(name));
        let base = base.map(|program| Arm { case, kind: ArmKind::Base, program });
        [self.arm(case, ArmKind::Head)].into_iter().chain(base)
    }

    fn arm(&self, case: usize, kind: ArmKind) -> Arm<'_> {
        Arm { case, kind, program: &self.programs[&self.cases[case].backend] }
    }

    /// The cases of one workload that may have a control: its first of each backend.
    fn controlled(&self, cases: &[usize]) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        cases.iter().copied().filter(|case| seen.insert(&self.cases[*case].backend)).collect()
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
