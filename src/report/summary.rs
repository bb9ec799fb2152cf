//! The cells of the results table, shared by Markdown and text: one definition of what a row says.
//!
//! A figure that was not measured is a dash and a baseline that is not there is `new`: never a zero, never 1.00x.

use std::collections::BTreeSet;

use super::Report;
use super::headline::unmeasured;
use crate::config::{Case, Thresholds, founding_name};
use crate::evidence::figures::{DevicePeak, Figures};
use crate::gate::{Against, Figure, Finding, Judged, Verdict};
use crate::store::baseline::BaselineCase;
use crate::store::record::RunRecord;
use crate::text::{NOTHING, format};
use crate::wan::{DType, Experts};

/// One case's cells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub name: String,
    /// The backend as the founding report writes it: `MLX`, `PYTORCH`.
    pub backend: String,
    /// Model of the workload; a dash for a missing case.
    pub model: String,
    pub workload: String,
    pub frames: String,
    /// Timed steps.
    pub steps: String,
    /// Quantization; `None` where there is none, as in the founding report.
    pub quant: String,
    pub dtype: String,
    /// Time of a step.
    pub step: String,
    /// Time of all steps.
    pub total: String,
    /// Bytes of the weights in MiB.
    pub memory: String,
    /// The device peak in MiB.
    pub peak: String,
    /// Speedup over the reference.
    pub speedup: String,
    /// The case's own step time before: the base revision's as measured beside it, else the baseline's.
    pub before: String,
    /// The baseline's speedup.
    pub speedup_before: String,
    /// How much worse the gated speed is, with half the width of its 95% interval; positive is slower.
    pub change: String,
    /// The smallest slowdown that all planned launches find with a probability of 80%.
    pub detectable: String,
    pub verdict: Verdict,
    /// The verdict with the figures it is about.
    pub judgement: String,
}

/// One case's row.
pub(super) fn row(judged: &Judged) -> Row {
    let identity = Identity::of(judged);
    let now = judged.now.as_ref();
    let dash = || NOTHING.to_owned();
    let speed = judged.speed();
    let before = judged.compared(Figure::StepTime).and_then(|finding| finding.before);
    let stored = judged.baseline.as_ref().and_then(|stored| stored.speedup);
    Row {
        name: judged.name.clone(),
        backend: founding_name(&identity.backend).to_owned(),
        model: judged.case.as_ref().map_or_else(dash, |case| case.workload.model.clone()),
        workload: identity.workload,
        frames: identity.frames,
        steps: identity.steps,
        quant: identity.quant,
        dtype: identity.dtype,
        step: now.map_or_else(dash, |now| now.step_seconds.to_string()),
        total: now.map_or_else(dash, |now| now.total_seconds.to_string()),
        memory: now.map_or_else(dash, |now| now.model_bytes.to_string()),
        peak: now.and_then(Figures::device_peak_bytes).map_or_else(dash, |peak| peak.to_string()),
        speedup: now.map_or_else(dash, |now| speedup_cell(now, judged.case.as_ref())),
        before: before.map_or_else(dash, |before| before.to_string()),
        speedup_before: stored.map_or_else(dash, format::speedup),
        change: speed.and_then(change_cell).unwrap_or_else(dash),
        detectable: speed.and_then(|finding| finding.detectable).map_or_else(dash, |it| format::share(it.0)),
        verdict: judged.verdict,
        judgement: judgement(judged),
    }
}

/// `+5.1% ±0.8%`.
fn change_cell(finding: &Finding) -> Option<String> {
    Some(finding.change?.with_half_width(finding.interval))
}

/// The speedup alone, as the reference's and others' rows write it.
pub(super) fn speedup_cell(now: &Figures, case: Option<&Case>) -> String {
    match (&now.speedup, case) {
        (Some(speedup), _) => format::estimate(speedup),
        (None, Some(case)) if case.is_reference() => "1.00x (reference)".to_owned(),
        _ => NOTHING.to_owned(),
    }
}

/// A quantization as the founding report writes it.
pub(super) fn quant(name: &str) -> String {
    if name == "none" { "None".to_owned() } else { name.to_owned() }
}

/// The networks that compute a workload, where it is not the low-noise one alone.
pub(super) fn experts(experts: Experts) -> Option<&'static str> {
    match experts {
        Experts::Low => None,
        Experts::High => Some("high-noise network"),
        Experts::Both => Some("both networks, resident"),
        Experts::Swap => Some("both networks, one at a time"),
    }
}

/// Whether any row is of another dtype than the default.
pub(super) fn has_dtypes(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.dtype != DType::F32.name())
}

/// Launches per case: `10 launches`, or `4 of at most 10 launches` where looks or limits ended the run before.
pub(super) fn launches(record: &RunRecord) -> String {
    match record.blocks() {
        done if !record.cases.is_empty() && done < record.launches => {
            format!("{done} of at most {}", format::launches(record.launches))
        }
        _ => format::launches(record.launches),
    }
}

/// What is gated in a report, in a sentence; what is not there is only shown.
pub(super) fn gated(report: &Report) -> String {
    let Thresholds {
        base_tolerance_percent,
        whole_tolerance_percent,
        speedup_tolerance_percent,
        step_time_tolerance_percent,
        anchor_tolerance_percent,
        peak_tolerance_percent,
        peak_tolerance_mib,
        ..
    } = &report.thresholds;
    let beside_base = report.record.has_base_launches();
    let beside_base = beside_base.then(|| {
        format!(
            "step time ({base_tolerance_percent}%), mean step ({whole_tolerance_percent}%) and slow launches beside the base revision, "
        )
    });
    // Beside a base revision, what the machine or earlier changes did is told as drift.
    let moved = if beside_base.is_some() { " where this change moved them" } else { "" };
    let against_baseline = report.outcome.has_machine_baseline.then(|| {
        format!(
            "speedup ({speedup_tolerance_percent}%) and step time ({step_time_tolerance_percent}%) against the \
             baseline{moved}, "
        )
    });
    let is_since_anchor = |(_, finding): (&Judged, &Finding)| finding.against == Against::Anchor;
    let is_since_anchor = moved.is_empty() && report.outcome.findings().any(is_since_anchor);
    let since_anchor =
        is_since_anchor.then(|| format!("these and the peaks against the anchor ({anchor_tolerance_percent}%), "));
    let speed: String = beside_base.into_iter().chain(against_baseline).chain(since_anchor).collect();
    let is_any = |wanted| device_peaks(report).any(|(_, peak)| peak == wanted);
    let peaks = match (is_any(DevicePeak::Process), is_any(DevicePeak::Framework)) {
        (_, false) => "process and framework peak",
        (false, true) => "framework peak",
        (true, true) => "framework peak and, but on a GPU with memory of its own, process peak",
    };
    format!(
        "Gated: {speed}model memory (to the byte), {peaks} ({peak_tolerance_percent}% + {peak_tolerance_mib} MiB), \
         output{}. {}All else is shown only.",
        ceilings(report),
        own_tolerances(report)
    )
}

/// Which peak is the device's, for each measured case, by its name.
fn device_peaks(report: &Report) -> impl Iterator<Item = (&str, DevicePeak)> {
    report.outcome.cases.iter().filter_map(|case| Some((case.name.as_str(), case.now.as_ref()?.device_peak)))
}

/// Whose peak the results table shows, in a sentence; empty where nothing was measured.
pub(super) fn whose_peak(report: &Report) -> String {
    let of = |peak| Vec::from_iter(device_peaks(report).filter(|(_, it)| *it == peak).map(|(name, _)| name));
    let (process, gpu) = (of(DevicePeak::Process), of(DevicePeak::Framework));
    match (process.is_empty(), gpu.is_empty()) {
        (true, true) => String::new(),
        (false, true) => "Peak Mem is the process's. ".to_owned(),
        (true, false) => "Peak Mem is the GPU's own memory, by the framework's account. ".to_owned(),
        (false, false) => {
            let names = format::some_names(&gpu);
            format!("Peak Mem is the process's; of {names} the GPU's own memory, by the framework's account. ")
        }
    }
}

/// The figures that have a ceiling in some case: `, ceilings (step time, process peak)`.
fn ceilings(report: &Report) -> String {
    let has_ceiling = |finding: &&Finding| finding.against == Against::Ceiling;
    let findings = report.outcome.cases.iter().flat_map(|case| &case.findings);
    let figures: BTreeSet<Figure> = findings.filter(has_ceiling).map(|finding| finding.figure).collect();
    let names: Vec<&str> = figures.iter().map(|figure| figure.name()).collect();
    if names.is_empty() { String::new() } else { format!(", ceilings ({})", names.join(", ")) }
}

/// The cases that are not judged by these tolerances.
fn own_tolerances(report: &Report) -> String {
    let thresholds = &report.thresholds;
    let names = report.outcome.cases.iter().map(|case| case.name.as_str());
    let own: Vec<&str> =
        names.filter(|name| thresholds.of_case(name).tolerances() != thresholds.tolerances()).collect();
    match own.is_empty() {
        true => String::new(),
        false => format!("Cases with tolerances of their own: {}. ", format::some_names(&own)),
    }
}

/// Whether frames alone do not tell the workloads apart.
pub(super) fn has_named_workloads(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.workload != format!("{}f", row.frames))
}

/// Whether the run is about several models.
pub(super) fn has_models(rows: &[Row]) -> bool {
    let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).filter(|model| *model != NOTHING).collect();
    models.dedup();
    models.len() > 1
}

/// What a case is, be it measured or only remembered.
struct Identity {
    backend: String,
    workload: String,
    frames: String,
    steps: String,
    quant: String,
    dtype: String,
}

impl Identity {
    fn of(judged: &Judged) -> Self {
        match &judged.case {
            Some(case) => Self {
                backend: case.backend.clone(),
                workload: case.workload.name.clone(),
                frames: case.workload.frames.to_string(),
                steps: case.workload.steps.to_string(),
                quant: quant(case.quant.name()),
                dtype: case.dtype.name().to_owned(),
            },
            None => Self::remembered(&judged.name, judged.baseline.as_ref()),
        }
    }

    /// A missing case is known by its name (`backend/workload/quant`, perhaps with a dtype) and its baseline.
    fn remembered(name: &str, stored: Option<&BaselineCase>) -> Self {
        let mut parts = name.split('/');
        let mut part = || parts.next().unwrap_or(NOTHING).to_owned();
        let number = |number: Option<usize>| number.map_or_else(|| NOTHING.to_owned(), |number| number.to_string());
        Self {
            backend: part(),
            workload: part(),
            quant: quant(&part()),
            dtype: parts.next().unwrap_or(DType::F32.name()).to_owned(),
            frames: number(stored.map(|stored| stored.frames)),
            steps: number(stored.map(|stored| stored.steps)),
        }
    }
}

/// `regressed: step time, output`: the verdict with the figures it is about.
fn judgement(judged: &Judged) -> String {
    let about: BTreeSet<Figure> = judged
        .findings
        .iter()
        .filter(|finding| finding.verdict == judged.verdict || finding.fails)
        .map(|finding| finding.figure)
        .collect();
    let figures = about.iter().map(|figure| figure.name()).collect::<Vec<_>>().join(", ");
    match judged.verdict {
        Verdict::Skipped => unmeasured(judged),
        Verdict::Regressed
        | Verdict::Improved
        | Verdict::Inconclusive
        | Verdict::NotJudged
        | Verdict::Unconfirmed
        | Verdict::Drifted => {
            format!("{}: {figures}", judged.verdict)
        }
        verdict => verdict.to_string(),
    }
}
