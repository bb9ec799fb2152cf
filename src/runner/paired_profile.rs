//! Which part of a step moved: processes of head and of the base revision, profiled in turns.

use std::time::{Duration, Instant};

use super::exchange::Exchange;
use super::interruptions::Interruptions;
use super::order::balanced;
use super::process::{Deadline, Program};
use super::requests::{self, profile};
use super::{RunPlan, failure};
use crate::protocol::{self, PartTime, Profile, Profiled, Request};
use crate::store::record::{ArmKind, Failure, KindSeconds, PairedProfile, ProfiledPair, ProfiledPasses};
use crate::store::valid;
use crate::wan::schedule;

/// Most pairs of processes: enough for an interval that is little wider than many more would give.
const MOST_PAIRS: usize = 6;

/// The place of the base revision in a pair; head's is before it.
const BASE: usize = 1;

/// Why there are fewer pairs than planned, where none failed.
const TIME_IS_OVER: &str =
    "the time limit left no room for another pair; raise --time-limit or time_limit_minutes, or measure less";

/// Fewest pairs that tell more than one value: with two there is an interval.
const LEAST_PAIRS: usize = 2;

/// Profiles the case with the index `case`, which has a base program: as many pairs as blocks are planned, six at most, each of
/// as many passes as a launch has steps. `on_pair` sees the number of each pair that begins, from 1, and how many are planned.
///
/// It ends with the pair that is interrupted, or during which wanbench or the machine is suspended: such a pair is worth nothing. A
/// failure, and the end of the time that is left to the run, end it too, with the pairs before. `None` where no pair came to its
/// end, and where a worker does not say that it profiles: one that takes every request for a measurement would be waited for in vain.
pub fn paired_profile(
    plan: &RunPlan,
    case: usize,
    time_left: Option<Duration>,
    interruptions: &Interruptions,
    mut on_pair: impl FnMut(usize, usize),
) -> Option<PairedProfile> {
    let base = plan.compared(case).find(|arm| arm.kind == ArmKind::Base)?;
    let programs = [&plan.programs[&plan.cases[case].backend], base.program];
    let profiles = |program: &&Program| requests::probe(program, plan.device).is_ok_and(|probed| probed.ready.profiles);
    if !programs.iter().all(profiles) {
        return None;
    }
    let pairing = Pairing { plan, programs, request: request(plan, case), interruptions };
    let orders = balanced(programs.len(), plan.launches.min(MOST_PAIRS), plan.seed);
    let suspended = interruptions.suspended();
    collect(orders.len(), Clock::new(time_left), |index| {
        on_pair(index + 1, orders.len());
        let pair = pairing.pair(&orders[index]);
        let is_whole = !interruptions.is_interrupted() && interruptions.suspended() == suspended;
        is_whole.then_some(pair)
    })
}

/// So many pairs at most, as long as there is time; `pair` profiles the one of an index, and gives `None` for one worth nothing.
fn collect(
    most: usize,
    mut clock: Clock,
    mut pair: impl FnMut(usize) -> Option<Result<ProfiledPair, Failure>>,
) -> Option<PairedProfile> {
    let mut pairs = Vec::new();
    for index in 0..most {
        if !clock.leaves_room() {
            return ended(pairs, Some(failure(TIME_IS_OVER)));
        }
        match pair(index) {
            Some(Ok(pair)) => pairs.push(pair),
            Some(Err(failure)) => return ended(pairs, Some(failure)),
            None => break,
        }
        clock.pair_ended();
    }
    ended(pairs, None)
}

/// What came of it: what failed takes nothing from the pairs before, as long as they tell something.
fn ended(pairs: Vec<ProfiledPair>, failure: Option<Failure>) -> Option<PairedProfile> {
    match failure {
        Some(failure) if pairs.len() >= LEAST_PAIRS => Some(PairedProfile::Partly { pairs, failure }),
        Some(failure) => Some(PairedProfile::Failed(failure)),
        None => (!pairs.is_empty()).then_some(PairedProfile::Profiled(pairs)),
    }
}

/// How much of a run's time is left for pairs.
struct Clock {
    left: Option<Duration>,
    started: Instant,
    pair_started: Instant,
    longest: Duration,
}

impl Clock {
    fn new(left: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { left, started: now, pair_started: now, longest: Duration::ZERO }
    }

    /// Whether a pair as long as the longest before ends in time.
    fn leaves_room(&self) -> bool {
        self.left.is_none_or(|left| self.started.elapsed() + self.longest < left)
    }

    fn pair_ended(&mut self) {
        self.longest = self.longest.max(self.pair_started.elapsed());
        self.pair_started = Instant::now();
    }
}

fn request(plan: &RunPlan, case: usize) -> Profile {
    let case = &plan.cases[case];
    Profile {
        protocol: protocol::VERSION,
        job: plan.materials.job(case, plan.device, None),
        t: schedule::timestep(1.0),
        warmup_steps: plan.warmup_steps,
        passes: case.workload.steps,
        in_turns: plan.side_by_side,
        wake: plan.wakes,
    }
}

/// What each pair is launched with.
struct Pairing<'a> {
    plan: &'a RunPlan<'a>,
    /// Head's and the base revision's.
    programs: [&'a Program; 2],
    request: Profile,
    interruptions: &'a Interruptions,
}

impl Pairing<'_> {
    fn pair(&self, order: &[usize]) -> Result<ProfiledPair, Failure> {
        let passes = if self.plan.side_by_side { self.in_turns(order) } else { self.one_by_one(order) }?;
        let passes: [ProfiledPasses; 2] = passes.try_into().map_err(|_| failure("a pair has two processes"))?;
        let [head, base] = passes;
        let pair = ProfiledPair { head, base };
        valid::profiled_pair(&pair).map_err(|reason| failure(format!("a profile cannot be compared: {reason}")))?;
        Ok(pair)
    }

    /// Both processes live at the same time, and take turns pass by pass: what disturbs the machine disturbs both.
    fn in_turns(&self, order: &[usize]) -> Result<Vec<ProfiledPasses>, Failure> {
        let start = |arm: &usize| {
            let running = Running::start(self.programs[*arm], &self.request, self.deadline(), self.interruptions);
            Ok((*arm, running.map_err(of(*arm))?))
        };
        let mut running = order.iter().map(start).collect::<Result<Vec<(usize, Running)>, Failure>>()?;
        running.sort_by_key(|(arm, _)| *arm);
        for (index, turns) in balanced(running.len(), self.request.passes, self.plan.seed).iter().enumerate() {
            for arm in turns {
                if let Err(reason) = running[*arm].1.pass(index) {
                    let (_, failed) = running.swap_remove(*arm);
                    return failed.exchange.end(Err(reason)).map_err(of(*arm));
                }
            }
        }
        running.into_iter().map(|(arm, running)| running.finish(self.request.passes).map_err(of(arm))).collect()
    }

    /// One process after the other, where there is no room for both.
    fn one_by_one(&self, order: &[usize]) -> Result<Vec<ProfiledPasses>, Failure> {
        let profile = |arm: &usize| {
            let told = profile(self.programs[*arm], &self.request, self.deadline(), self.interruptions, &mut |_| {});
            let passes = told.and_then(|told| by_kind(told.2, self.request.passes).map_err(failure));
            Ok((*arm, passes.map_err(of(*arm))?))
        };
        let mut passes = order.iter().map(profile).collect::<Result<Vec<(usize, ProfiledPasses)>, Failure>>()?;
        passes.sort_by_key(|(arm, _)| *arm);
        Ok(passes.into_iter().map(|(_, passes)| passes).collect())
    }

    fn deadline(&self) -> Deadline {
        Deadline::of_launch(self.plan.timeout)
    }
}

/// A process that profiles a pass when it has the turn, and is stopped in between.
struct Running<'a> {
    exchange: Exchange<'a>,
}

impl<'a> Running<'a> {
    fn start(
        program: &Program,
        request: &Profile,
        deadline: Deadline,
        interruptions: &'a Interruptions,
    ) -> Result<Self, Failure> {
        let mut exchange = Exchange::open(program, &Request::Profile(request.clone()), deadline, interruptions)?;
        // Not before it is warmed up: what it holds until then, such as a framework's lock, others would wait for in vain.
        match exchange.loaded(&mut |_| {}).and_then(|_| exchange.warmed()) {
            Ok(_) => {
                exchange.worker.pause();
                Ok(Self { exchange })
            }
            Err(reason) => exchange.end(Err(reason)),
        }
    }

    fn pass(&mut self, index: usize) -> Result<(), String> {
        self.exchange.worker.resume();
        let passed = self.exchange.take_turn().and_then(|()| self.exchange.step(index));
        self.exchange.worker.pause();
        passed.map(drop)
    }

    fn finish(mut self, passes: usize) -> Result<ProfiledPasses, Failure> {
        self.exchange.worker.resume();
        let profiled = self.exchange.profiled();
        self.exchange.end(profiled.and_then(|profiled| by_kind(profiled, passes)))
    }
}

/// Says whose process failed.
fn of(arm: usize) -> impl Fn(Failure) -> Failure {
    move |failure| match arm {
        BASE => Failure { reason: format!("the base revision's worker: {}", failure.reason), ..failure },
        _ => failure,
    }
}

/// The parts of all blocks are one.
///
/// # Errors
/// The part that has not as many times as there were passes, or the number of passes that is not as asked.
fn by_kind(profiled: Profiled, passes: usize) -> Result<ProfiledPasses, String> {
    if profiled.step_seconds.len() != passes {
        return Err(format!("told of {} passes where {passes} were asked for", profiled.step_seconds.len()));
    }
    if let Some(short) = profiled.parts.iter().find(|part| part.seconds.len() != passes) {
        return Err(format!("told {} times of {} in {passes} passes", short.seconds.len(), short.part.kind.name()));
    }
    let mut parts: Vec<KindSeconds> = Vec::new();
    for PartTime { part, seconds } in profiled.parts {
        let (kind, in_blocks) = (part.kind, part.block.is_some());
        match parts.iter_mut().find(|sum| (sum.kind, sum.in_blocks) == (kind, in_blocks)) {
            Some(sum) => sum.seconds.iter_mut().zip(seconds).for_each(|(sum, seconds)| *sum += seconds),
            None => parts.push(KindSeconds { kind, in_blocks, seconds }),
        }
    }
    Ok(ProfiledPasses { step_seconds: profiled.step_seconds, parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::parts::tests::pairs;

    /// Up to six pairs with so much time left, of which the one with the index `failing` fails.
    fn collected(time_left: Option<Duration>, failing: Option<usize>) -> Option<PairedProfile> {
        let pairs = pairs(6, 1.1);
        collect(6, Clock::new(time_left), |index| {
            Some(if failing == Some(index) { Err(failure("it died")) } else { Ok(pairs[index].clone()) })
        })
    }

    #[test]
    fn the_pairs_before_a_failure_are_kept_where_they_tell_something() {
        let died = failure("it died");
        let kept = PairedProfile::Partly { pairs: pairs(4, 1.1), failure: died.clone() };
        assert_eq!(collected(None, Some(4)), Some(kept));
        assert_eq!(collected(None, Some(1)), Some(PairedProfile::Failed(died)));
        assert_eq!(collected(None, None), Some(PairedProfile::Profiled(pairs(6, 1.1))));
    }

    #[test]
    fn no_pair_begins_once_the_time_of_the_run_is_over() {
        assert_eq!(collected(Some(Duration::ZERO), None), Some(PairedProfile::Failed(failure(TIME_IS_OVER))));
        let plenty = Some(Duration::from_secs(1 << 20));
        assert_eq!(collected(plenty, None), Some(PairedProfile::Profiled(pairs(6, 1.1))));
        // One pair took as long as all the time that was left, so that no other fits in.
        let mut clock = Clock::new(plenty);
        clock.longest = Duration::from_secs(1 << 20);
        assert!(!clock.leaves_room());
    }
}
