//! The cells of the results table, shared by Markdown and text: one definition of what a row says.
//!
//! A figure that was not measured is a dash and a baseline that is not there is `new`: never a zero, never 1.00x.

use super::headline::{metric, unmeasured};
use crate::config::{Case, seed_name};
use crate::evidence::figures::Figures;
use crate::gate::{Compared, Finding, Metric, Verdict};
use crate::store::baseline::BaselineCase;
use crate::store::record::RunRecord;
use crate::text::NOTHING;
use crate::text::format;
use crate::wan::{DType, Experts};

/// One case's cells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// The case's name.
    pub name: String,
    /// The backend as the seed report writes it: `MLX`, `PYTORCH`.
    pub backend: String,
    /// Model of the workload; a dash for a missing case.
    pub model: String,
    /// Workload's name.
    pub workload: String,
    /// Frames.
    pub frames: String,
    /// Timed steps.
    pub steps: String,
    /// Quantization; `None` where there is none, as in the seed report.
    pub quant: String,
    /// Arithmetic.
    pub dtype: String,
    /// Time of a step.
    pub step: String,
    /// Time of all steps.
    pub total: String,
    /// Bytes of the weights in MiB.
    pub memory: String,
    /// Speedup over the reference.
    pub speedup: String,
    /// What the change is from: the base revision's step time where one was beside it, else the baseline's speedup.
    pub before: String,
    /// Relative change since then, of the step time or of the speedup, with half the width of its 95% interval.
    pub change: String,
    /// The smallest slowing that the run would have found with a probability of 80%.
    pub detectable: String,
    /// The judgement.
    pub verdict: Verdict,
    /// The verdict with the figures it is about, where that is not the speedup.
    pub judgement: String,
}

/// One case's row in the table of `record`.
pub(super) fn row(record: &RunRecord, compared: &Compared) -> Row {
    let identity = Identity::of(compared);
    let now = compared.now.as_ref();
    let dash = || NOTHING.to_owned();
    let speed = compared.finding(if record.base.is_some() { Metric::StepTime } else { Metric::Speedup });
    Row {
        name: compared.name.clone(),
        backend: seed_name(&identity.backend).to_owned(),
        model: compared.case.as_ref().map_or_else(dash, |case| case.workload.model.clone()),
        workload: identity.workload,
        frames: identity.frames,
        steps: identity.steps,
        quant: identity.quant,
        dtype: identity.dtype,
        step: now.map_or_else(dash, |now| format::seconds(now.step_seconds)),
        total: now.map_or_else(dash, |now| format::seconds(now.total_seconds)),
        memory: now.map_or_else(dash, |now| format::mebibytes(now.model_bytes)),
        speedup: now.map_or_else(dash, |now| speedup_cell(now, compared.case.as_ref())),
        before: match record.base {
            Some(_) => speed.and_then(|finding| finding.baseline).map_or_else(dash, format::seconds),
            None => baseline_cell(compared),
        },
        change: speed.and_then(change_cell).unwrap_or_else(dash),
        detectable: speed.and_then(|finding| finding.detectable).map_or_else(dash, detectable_cell),
        verdict: compared.verdict,
        judgement: judgement(compared),
    }
}

/// `+5.1% ±0.8%`.
fn change_cell(finding: &Finding) -> Option<String> {
    let change = format::percent(finding.change?);
    Some(match finding.interval {
        Some((low, high)) => format!("{change} ±{}", format::share((high - low) / 2.0)),
        None => change,
    })
}

/// `2.5%`; two launches that differ much could see nothing, in figures of no use.
fn detectable_cell(share: f64) -> String {
    if share > 1.0 { ">100%".to_owned() } else { format::share(share) }
}

/// The speedup alone, as the reference's and others' rows write it.
pub(super) fn speedup_cell(now: &Figures, case: Option<&Case>) -> String {
    match (&now.speedup, case) {
        (Some(speedup), _) => format::estimate(speedup),
        (None, Some(case)) if case.is_reference() => "1.00x (reference)".to_owned(),
        _ => NOTHING.to_owned(),
    }
}

/// A quantization as the seed report writes it.
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

/// The heads of the columns `before`, `change` and `detectable`.
pub(super) fn change_heads(record: &RunRecord) -> [&'static str; 3] {
    match record.base {
        Some(_) => ["Base/Step", "Step Change", "Could See"],
        None => ["Baseline", "Change", "Could See"],
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
    fn of(compared: &Compared) -> Self {
        match &compared.case {
            Some(case) => Self {
                backend: case.backend.clone(),
                workload: case.workload.name.clone(),
                frames: case.workload.frames.to_string(),
                steps: case.workload.steps.to_string(),
                quant: quant(case.quant.name()),
                dtype: case.dtype.name().to_owned(),
            },
            None => Self::remembered(&compared.name, compared.baseline.as_ref()),
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

fn baseline_cell(compared: &Compared) -> String {
    let is_new = compared.finding(Metric::Speedup).is_some_and(|finding| finding.baseline.is_none());
    match &compared.baseline {
        Some(stored) if !is_new => stored.speedup.map_or_else(|| NOTHING.to_owned(), format::speedup),
        _ => Verdict::New.to_string(),
    }
}

/// `regressed: peak mem`, so that a row whose speedup is fine still says why it is not.
fn judgement(compared: &Compared) -> String {
    let about: Vec<&str> = compared
        .findings
        .iter()
        .filter(|finding| finding.verdict == compared.verdict || finding.fails)
        .map(|finding| metric(finding.metric))
        .collect();
    match compared.verdict {
        Verdict::Skipped => unmeasured(compared),
        Verdict::Regressed | Verdict::Improved | Verdict::Inconclusive if about != ["speedup"] => {
            format!("{}: {}", compared.verdict, about.join(", "))
        }
        verdict => verdict.to_string(),
    }
}
