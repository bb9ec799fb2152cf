//! The figures that every format takes, under one name each.

use super::super::Report;
use crate::evidence::figures::Figures;
use crate::evidence::quantity::{Bytes, Seconds};
use crate::gate::Judged;
use crate::store::record::CaseRecord;

/// A figure that is exported.
pub(super) struct Exported {
    /// Its name, which ends with its unit.
    pub key: &'static str,
    /// Its name in words.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    pub unit: Unit,
    /// It, where it was measured.
    pub value: fn(&Figures) -> Option<f64>,
}

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Bytes,
    Ratio,
}

/// The exported figures, the step time first.
pub(super) const FIGURES: [Exported; 9] = [
    Exported {
        key: "step_seconds",
        name: "step time",
        help: "Median over the launches of the median step of each.",
        unit: Unit::Seconds,
        value: |now| Some(now.step_seconds.0),
    },
    Exported {
        key: "mean_step_seconds",
        name: "mean step",
        help: "Median over the launches of the mean step of each.",
        unit: Unit::Seconds,
        value: |now| Some(now.mean_step_seconds.0),
    },
    Exported {
        key: "total_seconds",
        name: "total time",
        help: "Median over the launches of the time of all steps.",
        unit: Unit::Seconds,
        value: |now| Some(now.total_seconds.0),
    },
    Exported {
        key: "load_seconds",
        name: "loading time",
        help: "Median over the launches of the time of loading and quantizing.",
        unit: Unit::Seconds,
        value: |now| Some(now.load_seconds.0),
    },
    Exported {
        key: "switch_seconds",
        name: "switch",
        help: "Median over the launches of the time from the first network to the second.",
        unit: Unit::Seconds,
        value: |now| seconds(now.switch_seconds),
    },
    Exported {
        key: "speedup_ratio",
        name: "speedup",
        help: "Step time of the reference over that of the case.",
        unit: Unit::Ratio,
        value: |now| Some(now.speedup?.point),
    },
    Exported {
        key: "model_bytes",
        name: "model memory",
        help: "Bytes of the weights.",
        unit: Unit::Bytes,
        value: |now| bytes(Some(now.model_bytes)),
    },
    Exported {
        key: "process_peak_bytes",
        name: "process peak",
        help: "Median over the launches of the peak memory of the process.",
        unit: Unit::Bytes,
        value: |now| bytes(now.process_peak_bytes),
    },
    Exported {
        key: "framework_peak_bytes",
        name: "framework peak",
        help: "Median over the launches of the peak memory by the framework's own account.",
        unit: Unit::Bytes,
        value: |now| bytes(now.framework_peak_bytes),
    },
];

/// The cases that have figures.
pub(super) fn measured(report: &Report) -> impl Iterator<Item = (&Judged, &Figures)> {
    report.outcome.cases.iter().filter_map(|case| Some((case, case.now.as_ref()?)))
}

/// The least and the greatest median step of a launch of the case, in seconds; `None` where nothing was launched.
pub(super) fn step_range(report: &Report, case: &Judged) -> Option<(f64, f64)> {
    let steps = report.record.case(&case.name).into_iter().flat_map(CaseRecord::measured);
    let steps = steps.map(|(_, launch)| launch.median_step_seconds());
    steps.fold(None, |range, step| {
        let (least, greatest) = range.unwrap_or((step, step));
        Some((least.min(step), greatest.max(step)))
    })
}

/// The name of the machine that measured, as its baseline is called.
pub(super) fn machine(report: &Report) -> String {
    report.record.machine.name(report.record.device)
}

fn seconds(time: Option<Seconds>) -> Option<f64> {
    time.map(|time| time.0)
}

fn bytes(size: Option<Bytes>) -> Option<f64> {
    size.map(|size| size.0 as f64)
}
