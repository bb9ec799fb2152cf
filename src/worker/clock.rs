//! The worker's clock, and the one way in which work for a device is timed.

use std::time::Instant;

use anyhow::Result;

use super::Backend;

/// This moment. In tests it is a fake device's, which stands still but for what that computes.
pub fn now() -> Instant {
    #[cfg(test)]
    return fake::now();
    #[cfg(not(test))]
    Instant::now()
}

/// Seconds since `start`.
pub fn seconds_since(start: Instant) -> f64 {
    (now() - start).as_secs_f64()
}

/// Seconds from before `enqueue` until all that was enqueued is computed: a framework that computes later, on a thread or a
/// device of its own, would else be timed by how fast it enqueues.
pub fn timed<B: Backend>(backend: &mut B, enqueue: impl FnOnce(&mut B) -> Result<()>) -> Result<f64> {
    let start = now();
    enqueue(backend)?;
    backend.synchronize()?;
    Ok(seconds_since(start))
}

/// A clock that tests move, one for each thread.
#[cfg(test)]
pub mod fake {
    use std::cell::Cell;
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    thread_local! {
        static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    pub fn now() -> Instant {
        *START + PASSED.get()
    }

    pub fn pass(seconds: f64) {
        PASSED.set(PASSED.get() + Duration::from_secs_f64(seconds));
    }
}
