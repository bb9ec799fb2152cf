//! From launches to figures: a case's times, speedup and memory over all its launches.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::evidence::throughput::{Throughput, rates};
use crate::protocol::Rates;
use crate::stats::{self, Estimate, median_of_all};
use crate::store::record::{CaseRecord, Launch, Measured, measured};

/// The figures of one case over its launches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Median over launches of the launch's median step.
    pub step_seconds: f64,
    /// Median over launches of the sum of the timed steps, with the switch between two networks where there is one.
    pub total_seconds: f64,
    /// Median of the loading times, in seconds, quantizing included.
    pub load_seconds: f64,
    /// Median of what of that went into quantizing, in seconds; `None` where nothing was quantized then.
    pub quantize_seconds: Option<f64>,
    /// Median of the switches from the first network to the second, in seconds; `None` where one computes all.
    pub switch_seconds: Option<f64>,
    /// How fast a step's work is done; `None` where the work is not known.
    pub throughput: Option<Throughput>,
    /// Medians of the machine's own rates; `None` where a launch measured none.
    pub rates: Option<Rates>,
    /// Reference's step time over this one's, paired by block; `None` without a reference.
    pub speedup: Option<Estimate>,
    /// Bytes of the weights; the most of any launch.
    pub model_bytes: u64,
    /// Whether all launches tell the same bytes, as they must.
    pub model_bytes_agree: bool,
    /// Median of the framework's own peaks.
    pub framework_peak_bytes: Option<u64>,
    /// Median of the processes' peaks.
    pub process_peak_bytes: Option<u64>,
    /// Launches behind the figures.
    pub launches: usize,
}

/// The figures of `case` over its `launches`, none of which failed; `None` without a launch.
pub(super) fn figures_of(case: &CaseRecord, launches: &[Launch], against_reference: &[f64]) -> Option<Figures> {
    let peaks = |peak: fn(&Measured) -> Option<u64>| peak_bytes(launches, peak).map(|peak| peak.median);
    let (framework_peak_bytes, process_peak_bytes) =
        (peaks(|launch| launch.framework_peak_bytes), peaks(|launch| launch.process_peak_bytes));
    let step_seconds = median_step_seconds(launches)?;
    let launches: Vec<_> = measured(launches).map(|(_, measured)| measured).collect();
    let model_bytes = launches.iter().map(|launch| launch.model_bytes).max()?;
    let log_speedups: Vec<f64> = against_reference.iter().map(|log| -log).collect();
    Some(Figures {
        step_seconds,
        total_seconds: median(&launches, Measured::total_seconds),
        load_seconds: median(&launches, |launch| launch.load_seconds),
        quantize_seconds: median_of_all(launches.iter().map(|launch| launch.quantize_seconds)),
        switch_seconds: median_of_all(launches.iter().map(|launch| launch.switch_seconds)),
        throughput: case.work.map(|work| Throughput::of(work, step_seconds, &launches)),
        rates: rates(&launches),
        speedup: stats::paired_ratio(&log_speedups),
        model_bytes,
        model_bytes_agree: launches.iter().all(|launch| launch.model_bytes == model_bytes),
        framework_peak_bytes,
        process_peak_bytes,
        launches: launches.len(),
    })
}

/// Median over `launches` of the launch's median step, in seconds; `None` without a launch.
pub(super) fn median_step_seconds(launches: &[Launch]) -> Option<f64> {
    stats::median_of_all(measured(launches).map(|(_, launch)| Some(launch.median_step_seconds())))
}

/// The median of a figure over the launches.
fn median(launches: &[&Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    stats::median(&launches.iter().map(|launch| figure(launch)).collect::<Vec<_>>())
}

/// ln(numerator / denominator) of the two arms' step times, a value for each block that both have; see [`log_ratio`].
pub(super) fn log_ratios(numerator: &[Launch], denominator: &[Launch]) -> Vec<f64> {
    let denominator: BTreeMap<usize, &Measured> = measured(denominator).collect();
    let of_block = |(block, numerator): (usize, &Measured)| {
        Some(log_ratio(&numerator.step_seconds, &denominator.get(&block)?.step_seconds))
    };
    measured(numerator).filter_map(of_block).collect()
}

/// ln(numerator / denominator) of two launches of one block, by their steps' times: of each the fastest quarter counts.
pub fn log_ratio(numerator: &[f64], denominator: &[f64]) -> f64 {
    stats::quiet_mean(numerator).ln() - stats::quiet_mean(denominator).ln()
}

/// The peaks of one arm over its launches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakBytes {
    /// Their median.
    pub median: u64,
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
}

/// The peaks of `launches`; `None` where there is none, or one reports none.
pub(super) fn peak_bytes(launches: &[Launch], peak: impl Fn(&Measured) -> Option<u64>) -> Option<PeakBytes> {
    let peaks: Vec<u64> = measured(launches).map(|(_, launch)| peak(launch)).collect::<Option<_>>()?;
    let (least, most) = (*peaks.iter().min()?, *peaks.iter().max()?);
    Some(PeakBytes { median: median_bytes(&peaks), least, most })
}

fn median_bytes(bytes: &[u64]) -> u64 {
    let values: Vec<f64> = bytes.iter().map(|value| *value as f64).collect();
    stats::median(&values) as u64
}
