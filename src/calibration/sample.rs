//! What one job measured of one case, as logarithms: a difference of 0.01 is 1%.

use crate::evidence::figures::log_time;
use crate::evidence::pair::Pair;
use crate::evidence::{CaseEvidence, Evidence};
use crate::store::record::{ArmKind, CaseRecord, Launch, Measured, RunRecord, failure, measured};

/// One case over all jobs.
pub(super) struct Samples {
    /// The case's name.
    pub(super) name: String,
    /// For each job what it tells, or why it tells nothing.
    pub(super) jobs: Vec<Result<Sample, String>>,
}

/// One case in one job.
pub(super) struct Sample {
    /// How much any two steps of a launch differ, over all launches.
    pub(super) steps: Vec<f64>,
    /// For each arm, its launches' times as they are compared.
    pub(super) launches: Vec<Vec<f64>>,
    /// Head's and base's launches of each block.
    pub(super) pairs: Vec<Pair>,
    /// ln(head / base) of each block, as the gate takes it.
    pub(super) blocks: Vec<f64>,
    /// Mean over the blocks of ln(reference / case); `None` without a reference.
    pub(super) speedup: Option<f64>,
}

impl Samples {
    /// The samples of the case `name` in jobs, each with its evidence.
    pub(super) fn of<'a>(name: &str, jobs: impl Iterator<Item = (&'a RunRecord, &'a Evidence)>) -> Self {
        let sample = |(record, evidence): (&RunRecord, &Evidence)| match record.case(name).zip(evidence.case(name)) {
            Some((case, evidence)) => Sample::of(case, evidence),
            None => Err("the job has no such case".to_owned()),
        };
        Self { name: name.to_owned(), jobs: jobs.map(sample).collect() }
    }

    /// The jobs that tell something.
    pub(super) fn whole(&self) -> impl Iterator<Item = &Sample> {
        self.jobs.iter().flatten()
    }
}

impl Sample {
    fn of(case: &CaseRecord, evidence: &CaseEvidence) -> Result<Self, String> {
        let arms = ArmKind::ALL.map(|kind| case.launches_of(kind));
        if let Some(failure) = arms.into_iter().find_map(failure) {
            return Err(failure.reason.clone());
        }
        if let Some(skipped) = &case.skipped {
            return Err(format!("skipped: {skipped}"));
        }
        let pairs = evidence.beside_base.clone();
        if pairs.is_empty() {
            return Err("no block has both its head and its base".to_owned());
        }
        let times = |launches: &[Launch]| {
            measured(launches).map(|(_, launch)| log_time(&launch.step_seconds)).collect::<Vec<f64>>()
        };
        Ok(Self {
            steps: arms.iter().flat_map(|launches| measured(launches)).flat_map(|(_, it)| differences(it)).collect(),
            launches: arms.iter().map(|launches| times(launches)).collect(),
            blocks: pairs.iter().map(|pair| pair.step).collect(),
            pairs,
            speedup: evidence.mean_log_speedup(),
        })
    }
}

/// How much any two steps of a launch differ.
fn differences(launch: &Measured) -> Vec<f64> {
    let logs: Vec<f64> = launch.step_seconds.iter().map(|seconds| seconds.ln()).collect();
    let others =
        |(index, log): (usize, &f64)| logs[index + 1..].iter().map(|other| (log - other).abs()).collect::<Vec<f64>>();
    logs.iter().enumerate().flat_map(others).collect()
}
