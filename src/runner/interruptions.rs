//! What comes between a run and its end: a signal that ends it, and time in which it did not run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Shared by whoever receives signals and all who wait for a worker.
#[derive(Debug, Default)]
pub struct Interruptions {
    is_interrupted: AtomicBool,
    suspended_milliseconds: AtomicU64,
}

impl Interruptions {
    /// None yet.
    pub const fn new() -> Self {
        Self { is_interrupted: AtomicBool::new(false), suspended_milliseconds: AtomicU64::new(0) }
    }

    /// Ends the run: whoever waits for a worker stops waiting.
    pub fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::Relaxed);
    }

    /// Whether the run is to end.
    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    /// Time in which this process was stopped, or the machine asleep, while a worker was waited for.
    pub fn suspended(&self) -> Duration {
        Duration::from_millis(self.suspended_milliseconds.load(Ordering::Relaxed))
    }

    fn add_suspended(&self, gap: Duration) {
        let milliseconds = gap.as_millis().try_into().unwrap_or(u64::MAX);
        self.suspended_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

/// Measures how long a worker was waited for, in short slices: a slice that took far longer than it could is time in which
/// this process did not run, and does not count.
#[derive(Debug)]
pub struct Stopwatch {
    counted: Duration,
    last: Duration,
}

/// Longest that somebody waits without a look at the stopwatch.
pub const SLICE: Duration = Duration::from_millis(100);
/// What a slice may take longer on a busy machine.
const SLACK: Duration = Duration::from_secs(1);

impl Stopwatch {
    /// At zero, and running.
    pub fn start() -> Self {
        Self { counted: Duration::ZERO, last: now() }
    }

    /// Counts on from now: what went by since the last look was somebody else's.
    pub fn resume(&mut self) {
        self.last = now();
    }

    /// Counts what went by since the last look, which was a slice ago at most; what is suspended is told to `interruptions`.
    pub fn look(&mut self, interruptions: &Interruptions) -> Duration {
        self.look_at(now(), interruptions)
    }

    fn look_at(&mut self, now: Duration, interruptions: &Interruptions) -> Duration {
        let passed = now.saturating_sub(self.last);
        self.last = now;
        if passed > SLICE + SLACK {
            interruptions.add_suspended(passed - SLICE);
        }
        self.counted += passed.min(SLICE + SLACK);
        self.counted
    }

    /// The time counted so far.
    pub fn counted(&self) -> Duration {
        self.counted
    }

    /// Back to zero.
    pub fn reset(&mut self) {
        *self = Self::start();
    }
}

/// A clock that goes on while the machine sleeps, which [`std::time::Instant`] does not promise.
pub fn now() -> Duration {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let time = clock_gettime(CLOCK);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_that_took_far_too_long_is_told_and_counts_little() {
        let interruptions = Interruptions::new();
        let mut stopwatch = Stopwatch::start();
        let mut now = stopwatch.last + SLICE;
        assert_eq!(stopwatch.look_at(now, &interruptions), SLICE);
        assert!(interruptions.suspended().is_zero());
        now += Duration::from_secs(3600);
        assert_eq!(stopwatch.look_at(now, &interruptions), 2 * SLICE + SLACK);
        assert_eq!(interruptions.suspended(), Duration::from_secs(3600) - SLICE);
        now += SLICE;
        assert_eq!(stopwatch.look_at(now, &interruptions), 3 * SLICE + SLACK);
        assert_eq!(interruptions.suspended(), Duration::from_secs(3600) - SLICE, "it is told once");
    }
}
