//! The detailed analysis: bytes of the weights, peaks, loading and throughput, and the same times by frame count.

use std::fmt::Write;

use super::super::summary;
use super::super::{Report, headline};
use super::syntax::{code, table_or_none};
use super::throughput::throughput;
use crate::config::{Case, Workload, seed_name};
use crate::gate::{Compared, Metric, Verdict};
use crate::text::NOTHING;
use crate::text::escape::markdown as escape;
use crate::text::format;
use crate::wan::{DType, Experts, Quant};

/// The section.
pub(super) fn section(report: &Report) -> String {
    let sections = [
        ("Quantization Memory Savings", quantization(report)),
        ("Peak Memory", peaks(report)),
        ("Load and Throughput", throughput(report)),
    ];
    let sections = sections.map(|(title, body)| format!("### {title}\n\n{body}\n"));
    format!("## Detailed Analysis\n\n{}{}", sections.concat(), performance(report))
}

/// Weights of one kind, on the backends that hold them in so many bytes.
struct Weights<'a> {
    case: &'a Case,
    backends: Vec<&'a str>,
    bytes: u64,
    recorded: Option<f64>,
}

impl Weights<'_> {
    /// Whether `case` differs in nothing that decides the bytes but its quantization.
    fn is_alike(&self, case: &Case) -> bool {
        let held = |case: &Case| (case.dtype, case.workload.experts.resident());
        held(self.case) == held(case) && self.case.workload.model == case.workload.model
    }
}

/// The bytes of each kind of weights, now and as recorded.
pub(in crate::report) fn quantization(report: &Report) -> String {
    let weights = weights(report);
    let several_models = weights.iter().any(|entry| entry.case.workload.model != weights[0].case.workload.model);
    let rows = weights.iter().map(|entry| {
        let unquantized = weights.iter().find(|other| other.case.quant == Quant::None && other.is_alike(entry.case));
        let reduction = match unquantized {
            Some(none) if entry.case.quant != Quant::None => {
                format!("{:.0}%", 100.0 * (1.0 - entry.bytes as f64 / none.bytes as f64)).replace('-', "−")
            }
            _ => "-".to_owned(),
        };
        let model = if several_models { format!("{}: ", entry.case.workload.model) } else { String::new() };
        let recorded = entry.recorded.map_or_else(|| Verdict::New.to_string(), |bytes| format::exact(bytes as u64));
        let cells = [
            model + &quant_label(entry.case),
            entry.backends.join(", "),
            format::mebibytes(entry.bytes),
            format::exact(entry.bytes),
            recorded,
            reduction,
        ];
        cells.iter().map(|cell| escape(cell)).collect()
    });
    let header = ["Quantization", "Backends", "Model Memory", "Bytes", "Recorded Bytes", "Memory Reduction"];
    table_or_none(&header, rows)
}

/// `None (FP32)`, `int8`, `int8 (BF16)`, `int8, both networks, resident`.
fn quant_label(case: &Case) -> String {
    let quant = summary::quant(case.quant.name());
    let label = match (case.quant, case.dtype) {
        (Quant::None, DType::F32) => format!("{quant} (FP32)"),
        (_, DType::F32) => quant,
        (_, dtype) => format!("{quant} ({})", dtype.name().to_uppercase()),
    };
    // One network alone has as many bytes as the other.
    match summary::experts(case.workload.experts).filter(|_| case.workload.experts == Experts::Both) {
        Some(experts) => format!("{label}, {experts}"),
        None => label,
    }
}

fn weights(report: &Report) -> Vec<Weights<'_>> {
    let mut all: Vec<Weights> = Vec::new();
    for compared in &report.comparison.cases {
        let (Some(case), Some(now)) = (&compared.case, &compared.now) else { continue };
        let recorded = compared.finding(Metric::ModelBytes);
        let recorded = recorded.and_then(|finding| finding.baseline);
        let same = all.iter_mut().find(|entry| {
            entry.case.quant == case.quant
                && entry.is_alike(case)
                && (entry.bytes, entry.recorded) == (now.model_bytes, recorded)
        });
        match same {
            Some(entry) if entry.backends.contains(&case.backend.as_str()) => {}
            Some(entry) => entry.backends.push(&case.backend),
            None => {
                let backends = vec![case.backend.as_str()];
                all.push(Weights { case, backends, bytes: now.model_bytes, recorded });
            }
        }
    }
    all
}

/// The peaks of each case, now and before.
pub(in crate::report) fn peaks(report: &Report) -> String {
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| NOTHING.to_owned(), format::mebibytes);
    let measured = report.comparison.cases.iter().filter_map(|case| Some((case, case.now.as_ref()?)));
    let rows = measured.map(|(case, now)| {
        let finding = case.finding(Metric::PeakBytes);
        let baseline = match finding {
            Some(finding) => {
                finding.baseline.map_or_else(|| Verdict::New.to_string(), |baseline| format::mebibytes(baseline as u64))
            }
            None => NOTHING.to_owned(),
        };
        let change = finding.and_then(|finding| finding.change).map_or_else(|| NOTHING.to_owned(), format::percent);
        vec![code(&case.name), bytes(now.framework_peak_bytes), bytes(now.process_peak_bytes), baseline, change]
    });
    let header = ["Case", "Framework Peak", "Process Peak", "Baseline", "Change"];
    table_or_none(&header, rows)
}

fn performance(report: &Report) -> String {
    let mut text = "### Performance by Frame Count\n".to_owned();
    let mut names: Vec<&str> = Vec::new();
    for case in report.comparison.cases.iter().filter_map(|compared| compared.case.as_ref()) {
        if names.contains(&case.workload.name.as_str()) {
            continue;
        }
        names.push(&case.workload.name);
        let _ = write!(text, "\n**{} Frames{}:**\n\n", case.workload.frames, more_of(&case.workload));
        for compared in &report.comparison.cases {
            if let Some(line) = performance_line(compared, &case.workload.name) {
                let _ = writeln!(text, "- {line}");
            }
        }
    }
    text
}

/// What else there is to say of a workload: its own name, and the networks that compute it.
fn more_of(workload: &Workload) -> String {
    let is_plain = workload.name == format!("{}f", workload.frames);
    let name = (!is_plain).then(|| escape(&workload.name));
    let parts: Vec<String> = name.into_iter().chain(summary::experts(workload.experts).map(str::to_owned)).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(": ")) }
}

fn performance_line(compared: &Compared, workload: &str) -> Option<String> {
    let case = compared.case.as_ref().filter(|case| case.workload.name == workload)?;
    let dtype = if case.dtype == DType::F32 { String::new() } else { format!(", {}", case.dtype) };
    let who = format!("{} ({}{dtype})", seed_name(&case.backend), summary::quant(case.quant.name()));
    let Some(now) = &compared.now else {
        return Some(format!("{}: {}", escape(&who), escape(&headline::unmeasured(compared))));
    };
    let speedup = match (&now.speedup, case.is_reference()) {
        (Some(speedup), _) => format!(", {} speedup", format::speedup(speedup.point)),
        (None, true) => ", the reference".to_owned(),
        (None, false) => String::new(),
    };
    let baseline =
        compared.baseline.as_ref().and_then(|stored| stored.step_seconds).map_or_else(String::new, |stored| {
            format!(
                "; baseline {}/step ({})",
                format::seconds(stored),
                format::percent(now.step_seconds / stored - 1.0)
            )
        });
    Some(format!(
        "{}: {}/step, {} total{speedup}{baseline}",
        escape(&who),
        format::seconds(now.step_seconds),
        format::seconds(now.total_seconds)
    ))
}
