//! Single figures, and the events in which a worker reports them.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use super::{Checked, require};
use crate::protocol::{Digest, Done, Event, Loaded, Profiled, Rates, Ready};

/// Seconds of the shortest step: no clock here tells less apart from nothing.
const SHORTEST_STEP: f64 = 1e-9;

/// Seconds of the longest part of a launch, 5 days: no launch may be waited for as long. No ratio of two times overflows.
const LONGEST: f64 = 5.0 * 86_400.0;

/// The largest ratio of two steps, rounded up.
const LARGEST_RATIO: f64 = 1e15;

/// How far rounding carries what is computed of figures, as a share of it.
const ROUNDING: f64 = 1e-9;

/// Operations or bytes a second: no machine does as many. A rate is at least 1, so that no share of it overflows.
const FASTEST_RATE: f64 = 1e18;

/// Bytes of memory: no device has as many.
const MOST_BYTES: u64 = 1 << 60;

/// Bytes of the longest name or version.
const LONGEST_NAME: usize = 1_000;

/// Most versions that a worker tells.
const MOST_VERSIONS: usize = 100;

/// Whether all figures of a worker's event can be true.
///
/// # Errors
/// The figure and its value.
pub fn event(event: &Event) -> Checked {
    match event {
        Event::Ready(ready) => texts(ready),
        Event::Failed(_) => Ok(()),
        Event::Loading(loading) => seconds("seconds of `loading`", loading.seconds),
        Event::Loaded(Loaded { model_bytes, seconds: load_seconds, quantize_seconds, process_peak_bytes }) => {
            bytes("model_bytes", *model_bytes)?;
            seconds("seconds of `loaded`", *load_seconds)?;
            known("quantize_seconds", *quantize_seconds, seconds)?;
            known("process_peak_bytes", *process_peak_bytes, bytes)
        }
        Event::Warmed(warmed) => seconds("seconds of `warmed`", warmed.seconds),
        Event::Switched(switched) => seconds("seconds of `switched`", switched.seconds),
        Event::Step(step) => {
            step_seconds(&format!("seconds of step {}", step.index), step.seconds)?;
            known(&format!("wake_seconds of step {}", step.index), step.wake_seconds, step_seconds)
        }
        Event::Profiled(profiled) => self::profiled(profiled),
        Event::Rated(rated) => rates(&rated.rates),
        Event::Done(Done { framework_peak_bytes, process_peak_bytes, output, rates }) => {
            known("framework_peak_bytes", *framework_peak_bytes, bytes)?;
            known("process_peak_bytes", *process_peak_bytes, bytes)?;
            output.iter().try_for_each(digest)?;
            rates.iter().try_for_each(self::rates)
        }
    }
}

/// Every launch keeps what a worker says of itself.
fn texts(ready: &Ready) -> Checked {
    let Ready { worker, device, versions, .. } = ready;
    require(versions.len() <= MOST_VERSIONS, || {
        format!("versions has {} entries, more than {MOST_VERSIONS}", versions.len())
    })?;
    let of_versions = versions.iter().flat_map(|(name, version)| [("versions", name), ("versions", version)]);
    for (name, text) in of_versions.chain([("worker", worker), ("name of the device", &device.name)]) {
        require(text.len() <= LONGEST_NAME, || {
            format!("{name} holds a text of {} bytes, more than {LONGEST_NAME}", text.len())
        })?;
    }
    Ok(())
}

fn profiled(profiled: &Profiled) -> Checked {
    steps(&profiled.step_seconds)?;
    for part in &profiled.parts {
        part.seconds.iter().try_for_each(|time| seconds("seconds of a part", *time))?;
    }
    profiled.rates.iter().try_for_each(rates)
}

/// The timed steps of a launch, in seconds.
pub(super) fn steps(step_seconds: &[f64]) -> Checked {
    require(!step_seconds.is_empty(), || "step_seconds is empty".to_owned())?;
    let mut steps = step_seconds.iter().enumerate();
    steps.try_for_each(|(index, seconds)| self::step_seconds(&format!("step_seconds of step {index}"), *seconds))
}

/// The time of a step.
pub(super) fn step_seconds(name: &str, seconds: f64) -> Checked {
    within(name, seconds, SHORTEST_STEP..=LONGEST)
}

/// A step's time that was computed of others, which are valid.
pub(super) fn computed_step_seconds(name: &str, seconds: f64) -> Checked {
    within(name, seconds, SHORTEST_STEP * (1.0 - ROUNDING)..=LONGEST * (1.0 + ROUNDING))
}

/// The time of any other part of a launch.
pub(super) fn seconds(name: &str, seconds: f64) -> Checked {
    within(name, seconds, 0.0..=LONGEST)
}

/// The memory that something takes.
pub(super) fn bytes(name: &str, bytes: u64) -> Checked {
    within(name, bytes, 1..=MOST_BYTES)
}

/// One step's time over another's.
pub(super) fn ratio(name: &str, ratio: f64) -> Checked {
    within(name, ratio, LARGEST_RATIO.recip()..=LARGEST_RATIO)
}

/// How much longer a step takes, as a share.
pub(super) fn change(name: &str, change: f64) -> Checked {
    within(name, change, -1.0..=LARGEST_RATIO)
}

/// The logarithm of a ratio, from which that can be computed again.
pub(super) fn log_ratio(name: &str, log: f64) -> Checked {
    let largest = LARGEST_RATIO.ln() - ROUNDING;
    within(name, log, -largest..=largest)
}

/// How far logarithms of ratios scatter.
pub(super) fn log_deviation(name: &str, deviation: f64) -> Checked {
    within(name, deviation, 0.0..=2.0 * LARGEST_RATIO.ln())
}

/// Half of an interval's width, as a log-ratio: two launches that differ by all that they can do not have as much.
pub(super) fn half_width(name: &str, half_width: f64) -> Checked {
    within(name, half_width, 0.0..=1e6)
}

/// A step's floating-point operations, or the bytes that it moves: some that the fastest machine does in the longest time.
pub(super) fn work(name: &str, work: f64) -> Checked {
    within(name, work, 0.0..=FASTEST_RATE * LONGEST)
}

/// A finite number that is not negative.
pub(super) fn not_negative(name: &str, value: f64) -> Checked {
    within(name, value, 0.0..=f64::MAX)
}

pub(super) fn rates(rates: &Rates) -> Checked {
    within("gemm_flops_per_second", rates.gemm_flops_per_second, 1.0..=FASTEST_RATE)?;
    within("copy_bytes_per_second", rates.copy_bytes_per_second, 1.0..=FASTEST_RATE)
}

pub(super) fn digest(digest: &Digest) -> Checked {
    let is_sha256 = digest.sha256.len() == 64 && digest.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    require(is_sha256, || format!("sha256 is {:?}, which is not 64 hexadecimal digits", digest.sha256))?;
    require(digest.elements > 0, || "elements is 0: an output has at least one".to_owned())?;
    not_negative("norm", digest.norm)
}

/// A figure that may be unknown.
pub(super) fn known<T: Copy>(name: &str, figure: Option<T>, rule: impl Fn(&str, T) -> Checked) -> Checked {
    let checked = figure.map_or(Ok(()), |figure| rule(name, figure));
    checked.map_err(|reason| format!("{reason}; report an unknown figure as null"))
}

fn within<T: PartialOrd + Debug>(name: &str, value: T, range: RangeInclusive<T>) -> Checked {
    require(range.contains(&value), || {
        format!("{name} is {value:?}, which is not between {:?} and {:?}", range.start(), range.end())
    })
}
