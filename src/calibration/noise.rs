//! The noise by layer: within a launch, from launch to launch, from block to block, from job to job.

use super::sample::{Sample, Samples};
use crate::stats::{deviation_factors, mean, median, pooled_deviation, standard_deviation};

/// A normal distribution's standard deviation over the median absolute difference of two of its values.
///
/// Source: Shamos 1976, "Geometry and statistics: problems at the interface". Robust as the median absolute deviation is,
/// but not too small where a launch has five steps: a median of few values lies too close to them.
const OVER_MEDIAN_DIFFERENCE: f64 = 1.0483;

/// Standard deviations of logarithms, 0.01 for 1%; `None` where there are too few values for one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    /// Of a step within its launch: 1.0483 × the median absolute difference of two steps.
    pub step: Option<f64>,
    /// Of a launch's time (its fastest quarter of steps) within its job: what a comparison without pairing pays, and √2 of it for two arms.
    pub launch: Option<f64>,
    /// Of a block's ln(base / head) within its job: what a comparison with the base revision pays.
    pub block: Option<f64>,
    /// Of a job's mean of those, beyond what its blocks explain; nothing is left of it where pairing does its work.
    pub job: Option<f64>,
    /// Of a job's mean log-speedup over the reference: what a comparison with a committed baseline pays.
    pub speedup: Option<f64>,
}

impl Noise {
    pub(super) fn of(samples: &Samples) -> Self {
        let jobs: Vec<&Sample> = samples.whole().collect();
        let steps: Vec<f64> = jobs.iter().flat_map(|job| &job.steps).copied().collect();
        let block = pooled_deviation(jobs.iter().map(|job| job.blocks.as_slice()));
        let speedups: Vec<f64> = jobs.iter().filter_map(|job| job.speedup).filter(|log| log.is_finite()).collect();
        Self {
            step: (!steps.is_empty()).then(|| OVER_MEDIAN_DIFFERENCE * median(&steps)),
            launch: pooled_deviation(jobs.iter().flat_map(|job| job.launches.iter().map(Vec::as_slice))),
            block,
            job: block.and_then(|block| between_jobs(&jobs, block)),
            speedup: standard_deviation(&speedups),
        }
    }

    /// `fold` of every layer over `cases`, leaving out those that have no figure for it.
    pub fn over<'a>(cases: impl Iterator<Item = &'a Self> + Clone, fold: impl Fn(&[f64]) -> f64) -> Self {
        let layer = |of: fn(&Self) -> Option<f64>| {
            let values: Vec<f64> = cases.clone().filter_map(of).collect();
            (!values.is_empty()).then(|| fold(&values))
        };
        Self {
            step: layer(|noise| noise.step),
            launch: layer(|noise| noise.launch),
            block: layer(|noise| noise.block),
            job: layer(|noise| noise.job),
            speedup: layer(|noise| noise.speedup),
        }
    }

    /// The layers, from the innermost to the outermost.
    pub fn layers(&self) -> [Option<f64>; 5] {
        [self.step, self.launch, self.block, self.job, self.speedup]
    }
}

/// What a job-to-job figure of `jobs` jobs is multiplied by for the ends of its 95% interval; `None` below two jobs.
pub fn job_noise_factors(jobs: usize) -> Option<(f64, f64)> {
    (jobs >= 2).then(|| deviation_factors((jobs - 1) as f64))
}

/// The root of the variance of the jobs' means less the part that `block`, a block's standard deviation, explains.
fn between_jobs(jobs: &[&Sample], block: f64) -> Option<f64> {
    let means: Vec<f64> = jobs.iter().map(|job| mean(&job.blocks)).collect();
    let explained = block.powi(2) * mean(&jobs.iter().map(|job| 1.0 / job.blocks.len() as f64).collect::<Vec<_>>());
    standard_deviation(&means).map(|deviation| (deviation.powi(2) - explained).max(0.0).sqrt())
}
