//! The output: a wrong answer is not a speedup.

use super::outcome::{Against, Figure, Finding, Verdict};
use super::plan::Judge;
use crate::config::OutputDemand;
use crate::evidence::Outputs;
use crate::evidence::parity::denoised_tolerance;
use crate::evidence::quantity::{Quantity, RelativeError};
use crate::store::record::{CaseRecord, Parity, failure};

/// Holds the case's final latent against the reference's and the base revision's, and its launches' against each other.
/// `others` are the findings on the case's other figures: of an output that is exempt an improvement does not count.
pub(super) fn judge(judge: &Judge, case: &CaseRecord, outputs: &Outputs, others: &[Finding]) -> Vec<Finding> {
    let tolerance = tolerance(judge, case);
    if let Some(finding) = disagreement(outputs, tolerance) {
        return vec![finding];
    }
    let is_improved = others.iter().any(|finding| finding.verdict == Verdict::Improved && finding.change.is_some());
    let demand = judge.plan.output_demand(&case.case.backend);
    let absent = |against, whose: &str, is_written| {
        let (verdict, message) = not_compared(demand, &case.case.backend, whose, is_written, is_improved);
        Finding::new(Figure::Output, against, verdict, message)
    };
    let mut findings = Vec::new();
    if let Some(reference) = &case.case.reference {
        let whose = format!("{reference}'s");
        let compared = outputs.reference.map(|parity| compared(parity, Against::Reference, &whose, tolerance));
        // A reference has nothing to agree with, but its output may be one that nothing can be compared with.
        let is_written = outputs.is_written || outputs.is_written_by_reference;
        let absent = || (!case.case.is_reference()).then(|| absent(Against::Reference, &whose, is_written));
        findings.extend(compared.or_else(absent));
    }
    let has_base = judge.record.base.is_some() && !case.base_launches.is_empty();
    if has_base && failure(&case.base_launches).is_none() {
        let whose = "the base revision's";
        let compared = outputs.base.map(|parity| compared(parity, Against::Base, whose, tolerance));
        findings.push(compared.unwrap_or_else(|| match outputs.is_written && !outputs.is_written_by_base {
            true if !is_improved => Finding::new(
                Figure::Output,
                Against::Base,
                Verdict::NotGated,
                "the output is not compared with the base revision's, which wrote none",
            ),
            _ => absent(Against::Base, whose, outputs.is_written || outputs.is_written_by_base),
        }));
    }
    if findings.is_empty() && !is_agreed_with(judge, case) {
        findings.push(compared_with_nothing(demand, &case.case.backend, is_improved));
    }
    findings
}

/// The finding on an output that no other case's and no base revision's is there to be compared with.
fn compared_with_nothing(demand: OutputDemand, backend: &str, is_improved: bool) -> Finding {
    let (verdict, message) = match demand {
        OutputDemand::Waived => waived(backend),
        _ if is_improved => (
            Verdict::NotJudged,
            "the output is compared with nothing, so an improvement does not count: measure it together with another \
             backend, or beside a base revision (--base)"
                .to_owned(),
        ),
        _ => (Verdict::NotGated, "the output is compared with nothing".to_owned()),
    };
    Finding::new(Figure::Output, Against::Reference, verdict, message)
}

/// The relative error that is allowed to the output of `case`.
fn tolerance(judge: &Judge, case: &CaseRecord) -> f64 {
    let quantization = denoised_tolerance(case.case.quant, case.case.dtype, judge.record.device);
    judge.thresholds.of_case(&case.case.name).parity_tolerance_factor * quantization
}

/// Whether another case's output agrees with that of `case`, its reference.
fn is_agreed_with(judge: &Judge, case: &CaseRecord) -> bool {
    let others = judge.record.cases.iter().filter(|other| other.case.name != case.case.name);
    let mut referring = others.filter(|other| other.case.reference.as_ref() == Some(&case.case.name));
    referring.any(|other| {
        let error = other.parity.and_then(|parity| parity.relative_error);
        error.is_some_and(|error| error <= tolerance(judge, other))
    })
}

/// Where launches of the case, or it and its reference or base, cannot have computed the same.
fn disagreement(outputs: &Outputs, tolerance: f64) -> Option<Finding> {
    let fails = |error: Option<f64>, message: String| Finding {
        fails: true,
        ..Finding::new(Figure::Output, Against::Reference, Verdict::Regressed, message).between(None, quantity(error))
    };
    if let Some((least, most)) = outputs.norms.filter(|(least, most)| most - least > tolerance * most) {
        let message = format!(
            "the outputs of its launches differ from each other: their norms range from {least:.4} to {most:.4}, more than {tolerance:.1e} apart"
        );
        return Some(fails(Some((most - least) / most), message));
    }
    (!outputs.are_of_one_size).then(|| {
        fails(
            None,
            "its output has a different number of elements than the reference's or the base revision's".to_owned(),
        )
    })
}

fn compared(parity: Parity, against: Against, whose: &str, tolerance: f64) -> Finding {
    let (verdict, message) = match parity.relative_error {
        Some(error) if error <= tolerance => {
            (Verdict::Unchanged, format!("the output agrees with {whose}: relative error {error:.1e}"))
        }
        Some(error) => (
            Verdict::Regressed,
            format!(
                "the output differs from {whose}: relative error {error:.1e}, tolerance {tolerance:.1e}; a wrong answer is not a speedup"
            ),
        ),
        None => (
            Verdict::Regressed,
            format!(
                "the output cannot be compared with {whose}: it has another size, is unreadable, all zeros or not finite"
            ),
        ),
    };
    Finding {
        fails: verdict == Verdict::Regressed,
        ..Finding::new(Figure::Output, against, verdict, message).between(None, quantity(parity.relative_error))
    }
}

/// `None` for outputs that cannot be compared.
fn quantity(error: Option<f64>) -> Option<Quantity> {
    error.map(|error| Quantity::Error(RelativeError(error)))
}

fn waived(backend: &str) -> (Verdict, String) {
    (Verdict::NotGated, format!("the output is not compared, as set in [backends.{backend}]"))
}

/// What it means that an output was not compared with `whose`, and why. Where either side writes outputs, the evidence was to
/// be had.
fn not_compared(
    demand: OutputDemand,
    backend: &str,
    whose: &str,
    is_written: bool,
    is_improved: bool,
) -> (Verdict, String) {
    let way_out = format!("write `job.output` (docs/protocol.md), or set `output = false` under [backends.{backend}]");
    match demand {
        OutputDemand::Waived => waived(backend),
        OutputDemand::Expected if !is_written && !is_improved => {
            (Verdict::NotGated, format!("the output is not compared with {whose}: the worker writes none; {way_out}"))
        }
        OutputDemand::Expected if !is_written => (
            Verdict::NotJudged,
            format!(
                "the output is not compared with {whose}, so an improvement does not count: the worker writes none; {way_out}"
            ),
        ),
        OutputDemand::Expected | OutputDemand::Required => (
            Verdict::NotJudged,
            format!("the output is not compared with {whose}: one of the two is missing; {way_out}"),
        ),
    }
}
