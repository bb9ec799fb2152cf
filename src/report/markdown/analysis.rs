//! The detailed analysis: bytes of the weights, peaks, loading and throughput.

use super::super::Report;
use super::super::summary;
use super::syntax::{code, table_or_none};
use super::throughput::throughput;
use crate::config::Case;
use crate::evidence::quantity::{Bytes, Quantity};
use crate::gate::{Against, Figure, Judged, Verdict};
use crate::text::NOTHING;
use crate::text::escape::markdown as escape;
use crate::text::format;
use crate::wan::{DType, Experts, Quant};

pub(super) fn section(report: &Report) -> String {
    let sections = [
        ("Quantization Memory Savings", Some(quantization(report))),
        ("Peak Memory", Some(peaks(report))),
        ("Load and Throughput", Some(throughput(report))),
        ("Parts of Slower Steps", parts(report)),
    ];
    let titled = sections.into_iter().filter_map(|(title, body)| Some(format!("### {title}\n\n{}\n", body?)));
    format!("## Detailed Analysis\n\n{}", titled.collect::<String>().trim_end().to_owned() + "\n")
}

/// Weights of one kind, on the backends that hold them in so many bytes.
struct Weights<'a> {
    case: &'a Case,
    backends: Vec<&'a str>,
    bytes: Bytes,
    recorded: Option<Quantity>,
}

impl Weights<'_> {
    /// Whether `case` differs in nothing that decides the bytes but its quantization.
    fn is_alike(&self, case: &Case) -> bool {
        let held = |case: &Case| (case.dtype, case.workload.experts.resident());
        held(self.case) == held(case) && self.case.workload.model == case.workload.model
    }
}

/// How the parts of the profiled cases changed beside the base revision; `None` where none was profiled.
pub(in crate::report) fn parts(report: &Report) -> Option<String> {
    let is_slower = |case: &&Judged| {
        case.finding(Figure::StepTime, Against::Base).is_some_and(|finding| finding.verdict == Verdict::Regressed)
    };
    let slower = report.outcome.cases.iter().filter(is_slower);
    let profiled = slower.filter_map(|case| Some((case, case.parts.as_ref()?)));
    let rows = profiled.flat_map(|(case, changes)| {
        let parts = changes.parts.iter().map(|part| (part.name(), &part.shift, part.has_moved));
        let whole = [("all parts", &changes.sum, false), ("the step", &changes.step, false)];
        parts.chain(whole).map(|(name, shift, has_moved)| {
            let change = shift.change.map(|change| change.with_half_width(shift.interval));
            let change = change.unwrap_or_else(|| NOTHING.to_owned());
            let change = if has_moved { format!("**{change}**") } else { change };
            let difference = format::signed_seconds(shift.difference.0);
            vec![code(&case.name), name.to_owned(), shift.base.to_string(), shift.head.to_string(), change, difference]
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    (!rows.is_empty())
        .then(|| table_or_none(&["Case", "Part", "Base", "Now", "Change", "Difference"], rows.into_iter()))
}

/// The bytes of each kind of weights, now and as recorded.
pub(in crate::report) fn quantization(report: &Report) -> String {
    let weights = weights(report);
    let several_models = weights.iter().any(|entry| entry.case.workload.model != weights[0].case.workload.model);
    let rows = weights.iter().map(|entry| {
        let unquantized = weights.iter().find(|other| other.case.quant == Quant::None && other.is_alike(entry.case));
        let reduction = match unquantized {
            Some(none) if entry.case.quant != Quant::None => {
                format!("{:.0}%", 100.0 * (1.0 - entry.bytes.0 as f64 / none.bytes.0 as f64)).replace('-', "−")
            }
            _ => "-".to_owned(),
        };
        let model = if several_models { format!("{}: ", entry.case.workload.model) } else { String::new() };
        let recorded = match entry.recorded {
            Some(Quantity::Memory(bytes)) => format::exact(bytes.0),
            _ => Verdict::New.to_string(),
        };
        let cells = [
            model + &quant_label(entry.case),
            entry.backends.join(", "),
            entry.bytes.to_string(),
            format::exact(entry.bytes.0),
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
    for compared in &report.outcome.cases {
        let (Some(case), Some(now)) = (&compared.case, &compared.now) else { continue };
        let recorded = compared.finding(Figure::ModelBytes, Against::Recorded);
        let recorded = recorded.and_then(|finding| finding.before);
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

/// The peaks of each case, before and now.
pub(in crate::report) fn peaks(report: &Report) -> String {
    let bytes = |bytes: Option<Bytes>| bytes.map_or_else(|| NOTHING.to_owned(), |bytes| bytes.to_string());
    let measured = report.outcome.cases.iter().filter_map(|case| Some((case, case.now.as_ref()?)));
    let rows = measured.map(|(case, now)| {
        let of = |figure: Figure| {
            let finding = case.compared(figure);
            let before = finding.map_or_else(
                || NOTHING.to_owned(),
                |finding| finding.before.map_or_else(|| finding.verdict.to_string(), |before| before.to_string()),
            );
            let change = finding.and_then(|finding| finding.change);
            [before, change.map_or_else(|| NOTHING.to_owned(), |change| change.to_string())]
        };
        let ([process_before, process_change], [framework_before, framework_change]) =
            (of(Figure::ProcessPeak), of(Figure::FrameworkPeak));
        vec![
            code(&case.name),
            process_before,
            bytes(now.process_peak_bytes),
            process_change,
            framework_before,
            bytes(now.framework_peak_bytes),
            framework_change,
        ]
    });
    let header = [
        "Case",
        "Process Peak Before",
        "Process Peak",
        "Change",
        "Framework Peak Before",
        "Framework Peak",
        "Framework Change",
    ];
    table_or_none(&header, rows)
}
