//! When a block may begin: pauses between blocks, the canary before each, and a bound on the run's time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::canary::{CanaryPlan, Reading, RunningCanary};
use super::interruptions::{Interruptions, now};
use super::process::Deadline;
use super::{RunEvent, RunPlan, Wait};
use crate::store::record::{self, CanaryShift, DroppedBlock, UnrestedBlock};
use crate::text::format;

/// Readings before a block that may not begin, at most: then it begins all the same.
const TRIES: usize = 6;
/// Pause before the second try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How soon a pause ends when the run is interrupted.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// What a run's blocks wait for.
pub struct Pace<'a> {
    /// Pause between two blocks, to cool down; also the least pause after a block that was dropped.
    pub cool_down: Duration,
    /// Longest the run may take: a block that would end later is not begun.
    pub time_limit: Option<Duration>,
    /// The canary, if there is to be one.
    pub canary: Option<CanaryPlan<'a>>,
}

/// Keeps the pace of one run.
pub struct Pacer<'a> {
    plan: &'a RunPlan<'a>,
    interruptions: &'a Interruptions,
    /// By a clock that goes on while the machine sleeps.
    started: Duration,
    canary: Option<RunningCanary<'a>>,
    /// What the canary told, also once it is gone.
    told: Option<record::Canary>,
    /// The longest block of each workload, for the time limit.
    longest: BTreeMap<String, Duration>,
}

impl<'a> Pacer<'a> {
    /// Begins a run of so many blocks at most; the run goes on without a canary that cannot be started, and is told why.
    pub fn start(
        plan: &'a RunPlan<'a>,
        blocks: usize,
        interruptions: &'a Interruptions,
        on_event: &mut impl FnMut(&RunEvent),
    ) -> (Self, Option<String>) {
        // What was suspended before is none of the run's time.
        let started = now().saturating_sub(interruptions.suspended());
        let mut pacer = Self { plan, interruptions, started, canary: None, told: None, longest: BTreeMap::new() };
        let Some(canary) = &plan.pace.canary else { return (pacer, None) };
        on_event(&RunEvent::Waiting { wait: Wait::CanaryStart, remaining_seconds: None });
        let (readings, deadline) = (blocks * TRIES, Deadline::of_launch(plan.timeout));
        match RunningCanary::start(canary, plan.materials, plan.device, readings, deadline, interruptions) {
            Ok(started) => {
                pacer.told = Some(record::Canary {
                    backend: canary.case.backend.clone(),
                    cold_seconds: started.cold_seconds(),
                    tolerance_percent: canary.tolerance_percent,
                    reading_seconds: Vec::new(),
                    dropped: Vec::new(),
                    shifts: Vec::new(),
                    unrested: Vec::new(),
                    failed: None,
                });
                pacer.canary = Some(started);
                (pacer, None)
            }
            Err(failure) => (
                pacer,
                Some(format!(
                    "there is no canary, so changes of the machine's state cannot be detected: {}",
                    failure.reason
                )),
            ),
        }
    }

    /// Waits until the next block of `workload` may begin.
    ///
    /// # Errors
    /// That the run must end, since its time is over. The canary ends no run: where the machine does not come to rest, the block
    /// begins all the same, and the A/A control and the intervals tell whether its times can be used.
    pub fn admit(&mut self, workload: &str, block: usize, on_event: &mut impl FnMut(&RunEvent)) -> Result<(), String> {
        let cool_down = if self.longest.is_empty() { Duration::ZERO } else { self.plan.pace.cool_down };
        self.within_limit(cool_down, workload)?;
        count_down(cool_down, Wait::CoolDown, self.interruptions, on_event);
        self.rest(workload, block, on_event);
        on_event(&RunEvent::Resumed);
        Ok(())
    }

    /// Reads the canary until the machine is at rest, there is no time to wait for that, or the tries are used up.
    fn rest(&mut self, workload: &str, block: usize, on_event: &mut impl FnMut(&RunEvent)) {
        let mut readings = Vec::new();
        for attempt in 0..TRIES {
            let reading = self.read(workload, block, on_event).filter(|reading| !reading.is_fit);
            let Some(Reading { seconds, change, .. }) = reading else { return };
            readings.push(seconds);
            let pause = self.plan.pace.cool_down.max(FIRST_PAUSE * 2u32.pow(attempt as u32));
            if attempt + 1 == TRIES || self.within_limit(pause, workload).is_err() {
                break;
            }
            let (times, after) = (format::multiple(1.0 + change), format::duration(pause.as_secs_f64()));
            let reason =
                format!("the canary took {times} as long as on the machine at rest: tried again after {after}");
            on_event(&RunEvent::BlockDropped { workload, block, reason: &reason });
            if let Some(told) = &mut self.told {
                let workload = workload.to_owned();
                told.dropped.push(DroppedBlock { workload, block, canary_seconds: seconds, reason });
            }
            let wait = Wait::Rest { next_try: attempt + 2, tries: TRIES };
            count_down(pause, wait, self.interruptions, on_event);
            if self.interruptions.is_interrupted() {
                return;
            }
        }
        self.settle(workload, block, &readings, on_event);
    }

    /// Lets a block begin whose tries are used up: at the level that the `readings` agree on, or on an unsteady machine.
    fn settle(&mut self, workload: &str, block: usize, readings: &[f64], on_event: &mut impl FnMut(&RunEvent)) {
        let (Some(canary), Some(told), Some(last)) = (&mut self.canary, &mut self.told, readings.last()) else {
            return;
        };
        let from = canary.cold_seconds();
        if canary.settle(readings) {
            moved(told, (workload, block), (from, canary.cold_seconds()), on_event);
            return;
        }
        let readings = format::count(readings.len(), "reading");
        let words = format!("the canary did not come to rest in {readings}: the block begins all the same");
        on_event(&RunEvent::CanaryTold { workload, block, words: &words });
        told.unrested.push(UnrestedBlock { workload: workload.to_owned(), block, canary_seconds: *last });
    }

    /// A block of `workload` took so long.
    pub fn ended(&mut self, workload: &str, took: Duration) {
        let longest = self.longest.entry(workload.to_owned()).or_default();
        *longest = took.max(*longest);
    }

    /// What the canary told, if there was one.
    pub fn canary(&self) -> Option<record::Canary> {
        self.told.clone()
    }

    /// One reading; `None` without a canary, and where its process fails now, which is told and ends nothing else.
    fn read(&mut self, workload: &str, block: usize, on_event: &mut impl FnMut(&RunEvent)) -> Option<Reading> {
        let (canary, told) = (self.canary.as_mut()?, self.told.as_mut()?);
        on_event(&RunEvent::Waiting { wait: Wait::CanaryReading, remaining_seconds: None });
        let from = canary.cold_seconds();
        match canary.read() {
            Ok(reading) => {
                told.reading_seconds.push(reading.seconds);
                if canary.cold_seconds() != from {
                    moved(told, (workload, block), (from, canary.cold_seconds()), on_event);
                }
                Some(reading)
            }
            // The run is over; its end is told elsewhere.
            Err(_) if self.interruptions.is_interrupted() => None,
            Err(reason) => {
                let failure = self.canary.take()?.end(reason);
                let words =
                    format!("the canary failed, and the blocks from here on begin without it: {}", failure.reason);
                on_event(&RunEvent::CanaryTold { workload, block, words: &words });
                told.failed = Some(format!("before block {} of {workload}: {}", block + 1, failure.reason));
                None
            }
        }
    }

    /// How long the run has run: without the time in which it was suspended.
    fn ran(&self) -> Duration {
        (now() - self.started).saturating_sub(self.interruptions.suspended())
    }

    /// How much of the time limit is left; `None` without one.
    pub fn time_left(&self) -> Option<Duration> {
        self.plan.pace.time_limit.map(|limit| limit.saturating_sub(self.ran()))
    }

    /// Whether a block of `workload` after a pause would end in time.
    fn within_limit(&self, pause: Duration, workload: &str) -> Result<(), String> {
        let block = self.longest.get(workload).copied().unwrap_or_default();
        match self.plan.pace.time_limit {
            Some(limit) if self.ran() + pause + block > limit => Err(format!(
                "the time limit of {} left no room for another block; raise --time-limit or time_limit_minutes, or \
                 measure less",
                format::duration(limit.as_secs_f64())
            )),
            _ => Ok(()),
        }
    }
}

/// Takes note that the canary's step at rest moved before a block.
fn moved(
    told: &mut record::Canary,
    (workload, block): (&str, usize),
    (from_seconds, to_seconds): (f64, f64),
    on_event: &mut impl FnMut(&RunEvent),
) {
    let (from, to) = (format::seconds(from_seconds), format::seconds(to_seconds));
    let words = match to_seconds > from_seconds {
        true => format!("the canary stays at {to}, and was {from}: the machine is taken to be at rest there"),
        false => format!("the canary took {to}, and {from} at rest: the machine was not at rest before"),
    };
    on_event(&RunEvent::CanaryTold { workload, block, words: &words });
    told.shifts.push(CanaryShift { workload: workload.to_owned(), block, from_seconds, to_seconds });
    told.cold_seconds = to_seconds;
}

/// Waits for so long or until the run is interrupted, and tells once a second how long that still is.
fn count_down(length: Duration, wait: Wait, interruptions: &Interruptions, on_event: &mut impl FnMut(&RunEvent)) {
    let end = Instant::now() + length;
    let mut told = None;
    while !interruptions.is_interrupted() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let remaining_seconds = Some(left.as_secs_f64().ceil() as u64);
        if told != remaining_seconds {
            on_event(&RunEvent::Waiting { wait, remaining_seconds });
            told = remaining_seconds;
        }
        std::thread::sleep(left.min(INTERRUPT_INTERVAL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_tells_what_it_is_for_and_ends_when_interrupted() {
        let interruptions = Interruptions::new();
        let mut told = Vec::new();
        let mut on_event = |event: &RunEvent| {
            let RunEvent::Waiting { wait, remaining_seconds: Some(1..=3600) } = *event else { panic!("{event:?}") };
            told.push(wait);
            interruptions.interrupt();
        };
        count_down(Duration::ZERO, Wait::CoolDown, &interruptions, &mut on_event);
        count_down(Duration::from_secs(3600), Wait::CoolDown, &interruptions, &mut on_event);
        count_down(Duration::from_secs(3600), Wait::CoolDown, &interruptions, &mut on_event);
        assert_eq!(told, [Wait::CoolDown]);
    }
}
