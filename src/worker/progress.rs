//! The progress of loading, shown to a user who waits for it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::wire::Wire;
use crate::protocol::{self, Event};

/// How often progress is told.
const INTERVAL: Duration = Duration::from_millis(500);

/// Progress of loading: a backend tells what it read, and has its quantizing timed.
pub struct LoadingProgress<'a> {
    wire: Option<&'a mut Wire>,
    total_bytes: u64,
    read_bytes: u64,
    start: Instant,
    told: Instant,
    quantizing: Option<Duration>,
}

impl<'a> LoadingProgress<'a> {
    /// Progress over `total_bytes` of checkpoint files, told on `wire`.
    pub(super) fn new(wire: &'a mut Wire, total_bytes: u64) -> Self {
        Self { wire: Some(wire), total_bytes, ..Self::unheard() }
    }

    /// Progress that nobody hears of.
    pub fn unheard() -> Self {
        let now = Instant::now();
        Self { wire: None, total_bytes: 0, read_bytes: 0, start: now, told: now, quantizing: None }
    }

    /// Counts `bytes` of the checkpoint that were read just now.
    pub fn read(&mut self, bytes: u64) -> Result<()> {
        self.read_bytes += bytes;
        let Some(wire) = self.wire.as_mut().filter(|_| self.told.elapsed() >= INTERVAL) else { return Ok(()) };
        self.told = Instant::now();
        wire.send(&Event::Loading(protocol::Loading {
            bytes: self.read_bytes.min(self.total_bytes),
            total_bytes: self.total_bytes,
            seconds: self.start.elapsed().as_secs_f64(),
        }))
    }

    /// Times `work`, which quantizes a tensor and waits until that is done.
    pub fn quantizing<T, E>(&mut self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let start = Instant::now();
        let done = work();
        *self.quantizing.get_or_insert_default() += start.elapsed();
        done
    }

    /// Time spent on quantizing; `None` where nothing was quantized.
    pub(super) fn quantize_seconds(&self) -> Option<f64> {
        self.quantizing.map(|duration| duration.as_secs_f64())
    }
}
