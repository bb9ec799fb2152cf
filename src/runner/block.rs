//! One block: a fresh process of every arm of a workload, close in time.

use std::time::Duration;

use super::interruptions::Interruptions;
use super::launch::RunningLaunch;
use super::order::balanced;
use super::output;
use super::process::Deadline;
use super::{Arm, RunEvent, RunPlan};
use crate::protocol::{self, Measure};
use crate::store::record::{self, ArmKind, CaseRecord, Outcome};

/// Launches every arm in `order` and adds what came of it to `records`: where the run is interrupted, of those that came to
/// their end.
///
/// Side by side, all are started and warmed up first; then each takes its first step, each its second, and so on, in an
/// order that is balanced over the steps. Arms whose case failed before are left out.
///
/// # Errors
/// The time for which wanbench or the machine was suspended meanwhile: what the launches measured then is worth nothing, and
/// nothing of it is added.
pub fn run(
    plan: &RunPlan,
    arms: &[Arm],
    order: &[usize],
    block: usize,
    records: &mut [CaseRecord],
    interruptions: &Interruptions,
    on_event: &mut impl FnMut(&RunEvent),
) -> Result<(), Duration> {
    let suspended_before = interruptions.suspended();
    let live: Vec<&Arm> =
        order.iter().map(|arm| &arms[*arm]).filter(|arm| !records[arm.case].has_failed(arm.kind)).collect();
    let groups: Vec<Vec<&Arm>> =
        if plan.side_by_side { vec![live] } else { live.iter().map(|arm| vec![*arm]).collect() };
    let mut ended = Vec::new();
    for group in groups {
        ended.extend(take_turns(plan, group, block, interruptions, on_event));
        if interruptions.is_interrupted() {
            break;
        }
    }
    let suspended = interruptions.suspended() - suspended_before;
    if !suspended.is_zero() {
        return Err(suspended);
    }
    for (position, (arm, outcome, waited)) in ended.into_iter().enumerate() {
        let launch = record::Launch { block, position, wall_seconds: waited.as_secs_f64(), outcome };
        records[arm.case].launches_mut(arm.kind).push(launch);
    }
    Ok(())
}

/// A launch on its way, or why it is over before its end.
struct Running<'a> {
    arm: &'a Arm<'a>,
    launch: Option<RunningLaunch<'a>>,
    failure: Option<String>,
}

/// Starts all of `arms`, lets them step in turns, ends them: each with its outcome and the time spent on it.
///
/// Where `interrupted`, what is left of them is killed, and no event calls that a failure.
fn take_turns<'a>(
    plan: &RunPlan,
    arms: Vec<&'a Arm<'a>>,
    block: usize,
    interruptions: &'a Interruptions,
    on_event: &mut impl FnMut(&RunEvent),
) -> Vec<(&'a Arm<'a>, Outcome, Duration)> {
    let mut ended = Vec::new();
    let mut running = Vec::new();
    let deadline = Deadline::of_launch(plan.timeout);
    for arm in arms {
        let name = arm.name(plan);
        on_event(&RunEvent::LaunchStarted { arm: &name, block });
        let started =
            RunningLaunch::start(arm.program, &request(plan, arm, block), deadline, interruptions, &mut |event| {
                match event {
                    protocol::Event::Loading(loading) => on_event(&RunEvent::Loading { arm: &name, loading }),
                    protocol::Event::Loaded(_) => on_event(&RunEvent::Loaded { arm: &name }),
                    protocol::Event::Warmed(_) => on_event(&RunEvent::Warmed { arm: &name }),
                    _ => {}
                }
            });
        match started {
            Ok(launch) => running.push(Running { arm, launch: Some(launch), failure: None }),
            Err(_) if interruptions.is_interrupted() => {}
            Err(failure) => {
                let outcome = Outcome::Failed(failure);
                on_event(&RunEvent::LaunchEnded { arm: &name, outcome: &outcome, seconds: 0.0 });
                ended.push((arm, outcome, Duration::ZERO));
            }
        }
        if interruptions.is_interrupted() {
            return ended;
        }
    }
    let steps = running.first().map_or(0, |running| plan.cases[running.arm.case].workload.steps);
    for (index, turns) in balanced(running.len(), steps, plan.seed).iter().enumerate() {
        for turn in turns {
            running[*turn].step(plan, index, on_event);
        }
    }
    for Running { arm, launch, failure } in running {
        let Some(launch) = launch else { continue };
        let (measured, waited) = launch.finish(failure);
        if interruptions.is_interrupted() {
            return ended;
        }
        let outcome = measured.map_or_else(Outcome::Failed, Outcome::Measured);
        on_event(&RunEvent::LaunchEnded { arm: &arm.name(plan), outcome: &outcome, seconds: waited.as_secs_f64() });
        ended.push((arm, outcome, waited));
    }
    ended
}

impl Running<'_> {
    fn step(&mut self, plan: &RunPlan, index: usize, on_event: &mut impl FnMut(&RunEvent)) {
        let (Some(launch), None) = (&mut self.launch, &self.failure) else { return };
        match launch.step() {
            Ok(seconds) => on_event(&RunEvent::Step { arm: &self.arm.name(plan), index, seconds }),
            Err(reason) => self.failure = Some(reason),
        }
    }
}

impl Arm<'_> {
    /// The case's name, with what it is measured for where that is not the revision under test.
    pub fn name(&self, plan: &RunPlan) -> String {
        let case = &plan.cases[self.case].name;
        match self.kind {
            ArmKind::Head => case.clone(),
            ArmKind::Base => format!("{case} (base)"),
            ArmKind::Control => format!("{case} (control)"),
        }
    }
}

fn request(plan: &RunPlan, arm: &Arm, block: usize) -> Measure {
    let case = &plan.cases[arm.case];
    let sigmas = plan.materials.schedule(case).sigmas(case.workload.steps);
    let second = plan.materials.second(case, &sigmas);
    let output = if block == 0 { output::path(plan, arm.case, arm.kind) } else { None };
    Measure {
        protocol: protocol::VERSION,
        job: plan.materials.job(case, plan.device, output),
        sigmas,
        warmup_steps: plan.warmup_steps,
        second,
        wake: plan.wakes,
        extra_work: None,
    }
}
