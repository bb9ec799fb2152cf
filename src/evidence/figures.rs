//! From launches to figures: a case's times, speedup and memory over all its launches.

use std::collections::BTreeMap;

use serde::Serialize;

use super::quantity::{Bytes, Seconds};
use crate::evidence::throughput::{Throughput, rates};
use crate::protocol::{MemoryKind, Rates};
use crate::stats::{self, Estimate, median_of_all};
use crate::store::record::{CaseRecord, Launch, Measured, measured};

/// The figures of one case over its launches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Median over launches of the launch's median step.
    pub step_seconds: Seconds,
    /// Median over launches of the launch's mean step.
    pub mean_step_seconds: Seconds,
    /// Median over launches of the sum of the timed steps, with the switch between two networks where there is one.
    pub total_seconds: Seconds,
    /// Median of the loading times, in seconds, quantizing included.
    pub load_seconds: Seconds,
    /// Median of what of that went into quantizing, in seconds; `None` where nothing was quantized then.
    pub quantize_seconds: Option<Seconds>,
    /// Median of the switches from the first network to the second, in seconds; `None` where one computes all.
    pub switch_seconds: Option<Seconds>,
    /// How fast a step's work is done; `None` where the work is not known.
    pub throughput: Option<Throughput>,
    /// Medians of the machine's own rates; `None` where a launch measured none.
    pub rates: Option<Rates>,
    /// Reference's step time over this one's, paired by block; `None` without a reference.
    pub speedup: Option<Estimate>,
    /// Bytes of the weights; the most of any launch.
    pub model_bytes: Bytes,
    /// Whether all launches tell the same bytes, as they must.
    pub model_bytes_agree: bool,
    /// Median of the framework's own peaks.
    pub framework_peak_bytes: Option<Bytes>,
    /// Median of the processes' peaks.
    pub process_peak_bytes: Option<Bytes>,
    /// Which of the two is the device's.
    pub device_peak: DevicePeak,
    /// Launches behind the figures.
    pub launches: usize,
}

/// Which of a case's two peaks is the device peak: the one that contains what the network takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DevicePeak {
    /// The process's: the device computes in the host's memory.
    #[default]
    Process,
    /// The framework's: the device has memory of its own, which is no part of the process.
    Framework,
}

impl DevicePeak {
    /// That of the device which these launches ran on.
    pub(super) fn of(launches: &[Launch]) -> Self {
        let is_discrete = |launch: &Measured| launch.device.memory == Some(MemoryKind::Discrete);
        match measured(launches).any(|(_, launch)| is_discrete(launch)) {
            true => Self::Framework,
            false => Self::Process,
        }
    }
}

impl Figures {
    /// The device peak, if it is known.
    pub fn device_peak_bytes(&self) -> Option<Bytes> {
        match self.device_peak {
            DevicePeak::Process => self.process_peak_bytes,
            DevicePeak::Framework => self.framework_peak_bytes,
        }
    }
}

/// The figures of `case` over its `launches`, none of which failed; `None` without a launch.
pub(super) fn figures_of(case: &CaseRecord, launches: &[Launch], against_reference: &[f64]) -> Option<Figures> {
    let peaks = |of: fn(&Measured) -> Option<u64>| peak(launches, of).map(|peak| peak.median);
    let (framework_peak_bytes, process_peak_bytes) =
        (peaks(|launch| launch.framework_peak_bytes), peaks(|launch| launch.process_peak_bytes));
    let (step_seconds, device_peak) = (median_step(launches)?, DevicePeak::of(launches));
    let launches: Vec<_> = measured(launches).map(|(_, measured)| measured).collect();
    let model_bytes = launches.iter().map(|launch| launch.model_bytes).max()?;
    let log_speedups: Vec<f64> = against_reference.iter().map(|log| -log).collect();
    Some(Figures {
        step_seconds,
        mean_step_seconds: median(&launches, |launch| stats::mean(&launch.step_seconds)),
        total_seconds: median(&launches, Measured::total_seconds),
        load_seconds: median(&launches, |launch| launch.load_seconds),
        quantize_seconds: median_of_all(launches.iter().map(|launch| launch.quantize_seconds)).map(Seconds),
        switch_seconds: median_of_all(launches.iter().map(|launch| launch.switch_seconds)).map(Seconds),
        throughput: case.work.map(|work| Throughput::of(work, step_seconds.0, &launches)),
        rates: rates(&launches),
        speedup: stats::paired_ratio(&log_speedups),
        model_bytes: Bytes(model_bytes),
        model_bytes_agree: launches.iter().all(|launch| launch.model_bytes == model_bytes),
        framework_peak_bytes,
        process_peak_bytes,
        device_peak,
        launches: launches.len(),
    })
}

/// Median over `launches` of the launch's median step; `None` without a launch.
pub(super) fn median_step(launches: &[Launch]) -> Option<Seconds> {
    stats::median_of_all(measured(launches).map(|(_, launch)| Some(launch.median_step_seconds()))).map(Seconds)
}

/// The median of a time over the launches.
pub(super) fn median(launches: &[&Measured], figure: impl Fn(&Measured) -> f64) -> Seconds {
    Seconds(stats::median(&launches.iter().map(|launch| figure(launch)).collect::<Vec<_>>()))
}

/// ln(numerator / denominator) of the two arms' step times, a value for each block that both have; see [`log_ratio`].
pub(super) fn log_ratios(numerator: &[Launch], denominator: &[Launch]) -> Vec<f64> {
    by_block(numerator, denominator, |one, other| log_ratio(&one.step_seconds, &other.step_seconds))
}

/// What `of` says of two arms' launches, a value for each block that both have.
pub(super) fn by_block<T>(one: &[Launch], other: &[Launch], of: impl Fn(&Measured, &Measured) -> T) -> Vec<T> {
    let other: BTreeMap<usize, &Measured> = measured(other).collect();
    measured(one).filter_map(|(block, one)| Some(of(one, other.get(&block)?))).collect()
}

/// ln(numerator / denominator) of two launches of one block, by their steps' times: of each the fastest quarter counts.
pub fn log_ratio(numerator: &[f64], denominator: &[f64]) -> f64 {
    log_time(numerator) - log_time(denominator)
}

/// ln of the time that a launch of these steps is compared by: the mean of the fastest quarter of them, in seconds.
pub fn log_time(steps: &[f64]) -> f64 {
    stats::quiet_mean(steps).ln()
}

/// The peaks of one arm over its launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Their median.
    pub median: Bytes,
    /// That of each launch.
    pub launches: Vec<Bytes>,
}

/// The peaks of `launches`; `None` where there is none, or one reports none.
pub(super) fn peak(launches: &[Launch], of: impl Fn(&Measured) -> Option<u64>) -> Option<Peak> {
    let peaks: Vec<u64> = measured(launches).map(|(_, launch)| of(launch)).collect::<Option<_>>()?;
    let values: Vec<f64> = peaks.iter().map(|bytes| *bytes as f64).collect();
    let median = Bytes(stats::median(&values) as u64);
    (!peaks.is_empty()).then(|| Peak { median, launches: peaks.into_iter().map(Bytes).collect() })
}
