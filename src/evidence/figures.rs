//! From launches to figures: each case's times, speedup and memory over all its launches. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::evidence::throughput::{Throughput, rates};
use crate::protocol::Rates;
use crate::stats::{self, Estimate, median_of_all};
use crate::store::record::{CaseRecord, Launch, Measured, RunRecord, measured};

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

/// The figures of every case that was measured, by name. A case with a failed launch has none.
pub fn figures(record: &RunRecord) -> BTreeMap<String, Figures> {
    let whole = record.cases.iter().filter(|case| case.failure().is_none());
    whole.filter_map(|case| Some((case.case.name.clone(), figures_of(record, case)?))).collect()
}

fn figures_of(record: &RunRecord, case: &CaseRecord) -> Option<Figures> {
    let launches: Vec<_> = case.measured().map(|(_, measured)| measured).collect();
    let model_bytes = launches.iter().map(|launch| launch.model_bytes).max()?;
    let framework_peaks: Option<Vec<u64>> = launches.iter().map(|launch| launch.framework_peak_bytes).collect();
    let step_seconds = median(&launches, Measured::median_step_seconds);
    Some(Figures {
        step_seconds,
        total_seconds: median(&launches, Measured::total_seconds),
        load_seconds: median(&launches, |launch| launch.load_seconds),
        quantize_seconds: median_of_all(launches.iter().map(|launch| launch.quantize_seconds)),
        switch_seconds: median_of_all(launches.iter().map(|launch| launch.switch_seconds)),
        throughput: case.work.map(|work| Throughput::of(work, step_seconds, &launches)),
        rates: rates(&launches),
        speedup: speedup(record, case),
        model_bytes,
        model_bytes_agree: launches.iter().all(|launch| launch.model_bytes == model_bytes),
        framework_peak_bytes: framework_peaks.map(|peaks| median_bytes(&peaks)),
        process_peak_bytes: peak(&case.launches).map(|peak| peak.median),
        launches: launches.len(),
    })
}

/// The median of a figure over the launches.
fn median(launches: &[&Measured], figure: impl Fn(&Measured) -> f64) -> f64 {
    stats::median(&launches.iter().map(|launch| figure(launch)).collect::<Vec<_>>())
}

/// Reference over case, paired by block. The reference itself has no speedup, and a failed one gives none.
fn speedup(record: &RunRecord, case: &CaseRecord) -> Option<Estimate> {
    if case.case.is_reference() {
        return None;
    }
    let reference = record.case(case.case.reference.as_ref()?).filter(|reference| reference.failure().is_none())?;
    stats::paired_ratio(&log_ratios(&reference.launches, &case.launches))
}

/// ln(numerator / denominator) of the two arms' step times, a value for each block that both have; see [`log_ratio`].
pub fn log_ratios(numerator: &[Launch], denominator: &[Launch]) -> Vec<f64> {
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

/// The peaks of the processes of one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeakBytes {
    /// Their median.
    pub median: u64,
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
}

/// The peaks of `launches`; `None` where one tells none.
pub fn peak(launches: &[Launch]) -> Option<PeakBytes> {
    let peaks: Vec<u64> = measured(launches).map(|(_, launch)| launch.process_peak_bytes).collect::<Option<_>>()?;
    Some(PeakBytes { median: median_bytes(&peaks), least: *peaks.iter().min()?, most: *peaks.iter().max()? })
}

fn median_bytes(bytes: &[u64]) -> u64 {
    let values: Vec<f64> = bytes.iter().map(|value| *value as f64).collect();
    stats::median(&values) as u64
}
