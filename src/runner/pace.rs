//! When a block may begin: pauses between blocks, the canary before each, and a bound on the run's time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::canary::{CanaryPlan, Reading, RunningCanary};
use super::interruptions::{Interruptions, now};
use super::process::Deadline;
use super::{RunEvent, RunPlan, Wait};
use crate::store::record::{self, DroppedBlock};
use crate::text::format;

/// How often a block that may not begin is tried again.
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
    canary: Option<(RunningCanary<'a>, record::Canary)>,
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
        let mut pacer = Self { plan, interruptions, started, canary: None, longest: BTreeMap::new() };
        let Some(canary) = &plan.pace.canary else { return (pacer, None) };
        on_event(&RunEvent::Waiting { wait: Wait::CanaryStart, remaining_seconds: None });
        let (readings, deadline) = (blocks * TRIES, Deadline::of_launch(plan.timeout));
        match RunningCanary::start(canary, plan.materials, plan.device, readings, deadline, interruptions) {
            Ok(started) => {
                let record = record::Canary {
                    backend: canary.case.backend.clone(),
                    cold_seconds: started.cold_seconds(),
                    tolerance_percent: canary.tolerance_percent,
                    reading_seconds: Vec::new(),
                    dropped: Vec::new(),
                };
                pacer.canary = Some((started, record));
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

    /// Waits until the next block of `workload` may begin; an error tells why the run must end.
    pub fn admit(&mut self, workload: &str, block: usize, on_event: &mut impl FnMut(&RunEvent)) -> Result<(), String> {
        let admitted = self.wait(workload, block, on_event);
        on_event(&RunEvent::Resumed);
        admitted
    }

    fn wait(&mut self, workload: &str, block: usize, on_event: &mut impl FnMut(&RunEvent)) -> Result<(), String> {
        let cool_down = if self.longest.is_empty() { Duration::ZERO } else { self.plan.pace.cool_down };
        self.within_limit(cool_down + self.longest.get(workload).copied().unwrap_or_default())?;
        count_down(cool_down, Wait::CoolDown, self.interruptions, on_event);
        for attempt in 0..TRIES {
            let Some(reading) = self.read(on_event)?.filter(|reading| !reading.is_fit) else { return Ok(()) };
            let pause = self.plan.pace.cool_down.max(FIRST_PAUSE * 2u32.pow(attempt as u32));
            let follows = match attempt + 1 {
                TRIES => "given up".to_owned(),
                _ => format!("tried again after {}", format::duration(pause.as_secs_f64())),
            };
            let times = format::multiple(1.0 + reading.change);
            let reason = format!("the canary took {times} as long as on the machine at rest: {follows}");
            on_event(&RunEvent::BlockDropped { workload, block, reason: &reason });
            if let Some((_, record)) = &mut self.canary {
                let workload = workload.to_owned();
                record.dropped.push(DroppedBlock { workload, block, canary_seconds: reading.seconds, reason });
            }
            if attempt + 1 == TRIES {
                break;
            }
            self.within_limit(pause)?;
            let wait = Wait::Rest { next_try: attempt + 2, tries: TRIES };
            count_down(pause, wait, self.interruptions, on_event);
            if self.interruptions.is_interrupted() {
                return Ok(());
            }
        }
        Err(format!("the machine did not come to rest: the canary was too slow {TRIES} times before one block"))
    }

    /// A block of `workload` took so long.
    pub fn ended(&mut self, workload: &str, took: Duration) {
        let longest = self.longest.entry(workload.to_owned()).or_default();
        *longest = took.max(*longest);
    }

    /// What the canary told, if there is one.
    pub fn canary(&self) -> Option<record::Canary> {
        let (canary, record) = self.canary.as_ref()?;
        Some(record::Canary { cold_seconds: canary.cold_seconds(), ..record.clone() })
    }

    fn read(&mut self, on_event: &mut impl FnMut(&RunEvent)) -> Result<Option<Reading>, String> {
        let Some((canary, record)) = &mut self.canary else { return Ok(None) };
        on_event(&RunEvent::Waiting { wait: Wait::CanaryReading, remaining_seconds: None });
        match canary.read() {
            Ok(reading) => {
                record.reading_seconds.push(reading.seconds);
                Ok(Some(reading))
            }
            // The run is over; its end is told elsewhere.
            Err(_) if self.interruptions.is_interrupted() => Ok(None),
            Err(reason) => Err(format!("the canary failed: {reason}")),
        }
    }

    /// How long the run has run: without the time in which it was suspended.
    fn ran(&self) -> Duration {
        (now() - self.started).saturating_sub(self.interruptions.suspended())
    }

    fn within_limit(&self, next: Duration) -> Result<(), String> {
        match self.plan.pace.time_limit {
            Some(limit) if self.ran() + next > limit => Err(format!(
                "the time limit of {} left no room for another block; raise --time-limit or time_limit_minutes, or \
                 measure less",
                format::duration(limit.as_secs_f64())
            )),
            _ => Ok(()),
        }
    }
}

/// Waits for so long or until the run is interruptions, and tells once a second how long that still is.
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
