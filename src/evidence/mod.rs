//! What the launches of a run say: computed once from a record, read by the gate, the baselines and the reports. Pure.
//!
//! Every log-ratio is ln(worse / better) of times: positive is slower.

pub mod figures;
pub mod modes;
pub mod pair;
pub mod parity;
pub mod parts;
pub mod profile;
pub mod quantity;
pub mod throughput;

use std::collections::BTreeMap;

use crate::stats::{mean, median_of_all};
use crate::store::record::{ArmKind, CaseRecord, Launch, Measured, Parity, RunRecord, failure, measured};
use figures::{DevicePeak, Figures, Peak, by_block, figures_of, log_ratios, log_time, median, median_step, peak};
use modes::alike;
use pair::Pair;
use parity::element_counts_agree;
use parts::PartChanges;
use quantity::{Bytes, Seconds};

/// The evidence of a whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    cases: BTreeMap<String, CaseEvidence>,
}

/// The evidence on one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseEvidence {
    /// Its figures; `None` where a launch failed, or none was started.
    pub figures: Option<Figures>,
    /// Peaks of head's processes.
    pub peaks: Peaks,
    /// ln of the median step of each launch, in seconds.
    pub log_steps: Vec<f64>,
    /// ln of the loading time of each launch, in seconds.
    pub log_loads: Vec<f64>,
    /// What was measured of the base revision; `None` where a launch of it failed, or none was started.
    pub base: Option<BaseFigures>,
    /// Head's launch and the base revision's of each block that both measured; empty where either failed.
    pub beside_base: Vec<Pair>,
    /// ln(case / reference) by block; empty for the reference, and where either failed or the reference was not measured.
    pub against_reference: Vec<f64>,
    /// ln(control / head) by block, of launches of the same mode; empty without a control.
    pub control: Vec<f64>,
    /// Its outputs.
    pub outputs: Outputs,
    /// How its parts changed beside the base revision; `None` where they were not profiled.
    pub parts: Option<PartChanges>,
}

/// How the outputs of a case compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outputs {
    /// With the reference's; `None` where one of the two was not written.
    pub reference: Option<Parity>,
    /// With the base revision's; `None` where one of the two was not written.
    pub base: Option<Parity>,
    /// The least and the greatest norm over the launches; `None` where no launch reports one.
    pub norms: Option<(f64, f64)>,
    /// Whether all outputs that digests tell of, the reference's and the base revision's among them, have as many elements.
    pub are_of_one_size: bool,
    /// Whether a launch of the case wrote an output, with a digest or without.
    pub is_written: bool,
    /// Whether a launch of its reference wrote one.
    pub is_written_by_reference: bool,
    /// Whether a launch of the base revision wrote one.
    pub is_written_by_base: bool,
}

/// The base revision's figures, as they were measured beside head's.
#[derive(Clone, Debug, PartialEq)]
pub struct BaseFigures {
    /// Median over launches of the launch's median step.
    pub step: Seconds,
    /// Median over launches of the launch's mean step.
    pub mean_step: Seconds,
    /// Median of the loading times.
    pub load: Seconds,
    /// Median of the switches from the first network to the second; `None` where one computes all.
    pub switch: Option<Seconds>,
    /// Bytes of its model's weights: the most that a launch reports.
    pub model_bytes: Bytes,
    /// Peaks of the base revision's processes.
    pub peaks: Peaks,
}

impl BaseFigures {
    fn of(launches: &[Launch]) -> Option<Self> {
        let model_bytes = measured(launches).map(|(_, launch)| launch.model_bytes).max()?;
        let all: Vec<_> = measured(launches).map(|(_, launch)| launch).collect();
        Some(Self {
            step: median_step(launches)?,
            mean_step: median(&all, |launch| mean(&launch.step_seconds)),
            load: median(&all, |launch| launch.load_seconds),
            switch: median_of_all(all.iter().map(|launch| launch.switch_seconds)).map(Seconds),
            model_bytes: Bytes(model_bytes),
            peaks: Peaks::of(launches),
        })
    }
}

/// The peaks of one arm's processes; `None` where a launch does not report one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// By the system's account of the process.
    pub process: Option<Peak>,
    /// By the framework's own account.
    pub framework: Option<Peak>,
    /// Which of the two is the device's.
    pub device: DevicePeak,
}

impl Evidence {
    /// The evidence in `record`.
    pub fn of(record: &RunRecord) -> Self {
        let of_case = |case: &CaseRecord| (case.case.name.clone(), CaseEvidence::of(record, case));
        Self { cases: record.cases.iter().map(of_case).collect() }
    }

    /// The evidence on the case `name`, if the run has it.
    pub fn case(&self, name: &str) -> Option<&CaseEvidence> {
        self.cases.get(name)
    }

    /// The cases of `record`, whose evidence this is, that were measured.
    pub fn measured<'a>(&'a self, record: &'a RunRecord) -> impl Iterator<Item = (&'a CaseRecord, &'a CaseEvidence)> {
        let of_case = |case: &'a CaseRecord| Some((case, self.case(&case.case.name)?));
        record.cases.iter().filter_map(of_case).filter(|(_, evidence)| evidence.figures.is_some())
    }

    /// The figures of the case `name`, if it was measured.
    pub fn figures(&self, name: &str) -> Option<&Figures> {
        self.case(name)?.figures.as_ref()
    }
}

impl CaseEvidence {
    fn of(record: &RunRecord, case: &CaseRecord) -> Self {
        let whole = |launches| whole(launches).unwrap_or_default();
        let (head, base) = (whole(&case.launches), whole(&case.base_launches));
        let reference = case.case.reference.as_ref().filter(|_| !case.case.is_reference());
        let reference = reference.and_then(|name| record.case(name)).map_or(&[][..], |case| whole(&case.launches));
        let against_reference = log_ratios(head, reference);
        Self {
            figures: figures_of(case, head, &against_reference),
            peaks: Peaks::of(head),
            log_steps: measured(head).map(|(_, launch)| launch.median_step_seconds().ln()).collect(),
            log_loads: measured(head).map(|(_, launch)| launch.load_seconds.ln()).collect(),
            base: BaseFigures::of(base),
            beside_base: by_block(head, base, Pair::of),
            against_reference,
            control: control(case),
            outputs: Outputs::of(record, case),
            parts: case.paired_profile.as_ref().and_then(|profile| PartChanges::of(profile.pairs())),
        }
    }

    /// Mean over the blocks of ln(reference / case), as baselines store it; `None` without a speedup.
    pub fn mean_log_speedup(&self) -> Option<f64> {
        (!self.against_reference.is_empty()).then(|| -mean(&self.against_reference))
    }
}

/// ln(control / head) by block. A launch that is slow as a whole says nothing of the machine where others of the case are so too.
fn control(case: &CaseRecord) -> Vec<f64> {
    let time = |launch: &Measured| log_time(&launch.step_seconds);
    let pairs = by_block(&case.control_launches, &case.launches, |control, head| [time(control), time(head)]);
    let launches = ArmKind::ALL.into_iter().flat_map(|kind| measured(case.launches_of(kind)));
    let launches: Vec<f64> = launches.map(|(_, launch)| time(launch)).collect();
    alike(&pairs, &launches).iter().map(|[control, head]| control - head).collect()
}

impl Outputs {
    fn of(record: &RunRecord, case: &CaseRecord) -> Self {
        let reference = case.case.reference.as_ref().and_then(|name| record.case(name));
        let norms = case.measured().filter_map(|(_, launch)| Some(launch.output.as_ref()?.norm));
        let norms = norms.fold(None, |range: Option<(f64, f64)>, norm| {
            Some(range.map_or((norm, norm), |(least, most)| (least.min(norm), most.max(norm))))
        });
        let is_digest = |launches: &[Launch]| measured(launches).any(|(_, launch)| launch.output.is_some());
        let is_written = |case: &CaseRecord| case.has_output == Some(true) || is_digest(&case.launches);
        let is_written_by_base = case.has_base_output == Some(true) || is_digest(&case.base_launches);
        let launches = case.launches.iter().chain(&case.base_launches).chain(&case.control_launches);
        Self {
            reference: case.parity,
            base: case.base_parity,
            norms,
            are_of_one_size: element_counts_agree(launches.chain(reference.iter().flat_map(|it| &it.launches))),
            is_written: is_written(case),
            is_written_by_reference: reference.is_some_and(is_written),
            is_written_by_base,
        }
    }
}

impl Peaks {
    fn of(launches: &[Launch]) -> Self {
        Self {
            process: peak(launches, |launch| launch.process_peak_bytes),
            framework: peak(launches, |launch| launch.framework_peak_bytes),
            device: DevicePeak::of(launches),
        }
    }
}

/// `launches`, unless one of them failed: a case with a failed launch has no figures.
fn whole(launches: &[Launch]) -> Option<&[Launch]> {
    failure(launches).is_none().then_some(launches)
}
