//! How noisy a machine is, from A/A jobs, and which tolerances it supports. Pure: no clock, no processes.
//!
//! In an A/A job the same programs are head and base, so any difference comes from the machine. `noise` splits it by
//! layer, `alarms` counts what the present gate makes of it, `proposal` says which tolerances it leaves room for.

mod alarms;
mod jobs;
mod noise;
mod proposal;
mod sample;
pub mod text;

#[cfg(test)]
mod tests;

pub use alarms::{DRAWS, FalseAlarms};
pub use jobs::{Jobs, SCHEMA};
pub use noise::{Noise, job_noise_factors};
pub use proposal::{Proposal, Proposed, smallest_tolerance_percent};

use crate::config::Thresholds;
use crate::evidence::Evidence;
use crate::store::record::RunRecord;
use proposal::noisiest;
use sample::Samples;

/// Numbers of launches for which the smallest tolerance is reported.
pub const TOLERANCE_LAUNCHES: [usize; 3] = [4, 6, 10];

/// What A/A jobs show about their machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration<'a> {
    /// The A/A jobs, as they were saved.
    pub jobs: &'a Jobs,
    /// The thresholds in force when the calibration is reported.
    pub gate: &'a Thresholds,
    /// Every case that at least one job measured, in the order of the configuration.
    pub cases: Vec<CaseNoise>,
    /// Cases that a job did not measure, or not usably.
    pub left_out: Vec<LeftOut>,
    /// How often the thresholds in force raise a false alarm.
    pub alarms: FalseAlarms,
    /// The smallest tolerance in percent of a step time against the base revision's, for each of [`TOLERANCE_LAUNCHES`].
    pub tolerances_percent: [Option<f64>; 3],
    /// The `[gate]` values that follow.
    pub proposal: Proposal,
}

/// The noise of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseNoise {
    /// The case's name.
    pub name: String,
    /// Jobs that measured it.
    pub jobs: usize,
    /// Its noise by layer.
    pub noise: Noise,
}

/// A case that a job did not measure, or not usably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The case's name.
    pub name: String,
    /// Which job, from 1.
    pub job: usize,
    /// Why, in words.
    pub reason: String,
}

/// From A/A jobs to the figures and a proposal.
pub fn calibrate<'a>(jobs: &'a Jobs, gate: &'a Thresholds) -> Calibration<'a> {
    let samples = samples(&jobs.records);
    let left_out = samples.iter().flat_map(left_out).collect();
    let told: Vec<Samples> = samples.into_iter().filter(|samples| samples.whole().next().is_some()).collect();
    let noise = |samples: &Samples| CaseNoise {
        name: samples.name.clone(),
        jobs: samples.whole().count(),
        noise: Noise::of(samples),
    };
    let cases: Vec<CaseNoise> = told.iter().map(noise).collect();
    let worst = noisiest(&cases, |case| case.noise.block);
    let tolerance =
        |launches| worst.and_then(|(_, block)| smallest_tolerance_percent(block, launches, cases.len(), gate));
    Calibration {
        jobs,
        gate,
        left_out,
        alarms: FalseAlarms::of(&jobs.records, &told, jobs.launches(), gate),
        tolerances_percent: TOLERANCE_LAUNCHES.map(tolerance),
        proposal: Proposal::of(&cases, jobs, gate),
        cases,
    }
}

/// All cases over all jobs.
fn samples(records: &[RunRecord]) -> Vec<Samples> {
    let evidence: Vec<Evidence> = records.iter().map(Evidence::of).collect();
    let mut names: Vec<&str> = Vec::new();
    for name in records.iter().flat_map(|record| &record.cases).map(|case| case.case.name.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of_case = |name: &str| Samples::of(name, records.iter().zip(&evidence));
    names.into_iter().map(of_case).collect()
}

fn left_out(samples: &Samples) -> impl Iterator<Item = LeftOut> + '_ {
    let of_job = |(index, job): (usize, &Result<_, String>)| {
        let reason = job.as_ref().err()?.clone();
        Some(LeftOut { name: samples.name.clone(), job: index + 1, reason })
    };
    samples.jobs.iter().enumerate().filter_map(of_job)
}
