//! The output: a wrong answer is not a speedup.

use super::outcome::{Against, Figure, Finding, Verdict};
use super::plan::Judge;
use crate::config::OutputDemand;
use crate::evidence::parity::{denoised_tolerance, element_counts_agree};
use crate::evidence::quantity::{Quantity, RelativeError};
use crate::store::record::{CaseRecord, Launch, Parity, measured};

/// Holds the case's final latent against the reference's and the base revision's, and its launches' against each other.
/// `others` are the findings on the case's other figures: of an output that is exempt a speedup does not count.
pub(super) fn judge(judge: &Judge, case: &CaseRecord, others: &[Finding]) -> Vec<Finding> {
    let record = judge.record;
    let quantization = denoised_tolerance(case.case.quant, case.case.dtype, record.device);
    let tolerance = judge.thresholds.parity_tolerance_factor * quantization;
    if let Some(finding) = disagreement(judge, case, tolerance) {
        return vec![finding];
    }
    let is_improved = others.iter().any(|finding| finding.verdict == Verdict::Improved && finding.change.is_some());
    let absent = |against: Against, whose: &str| not_compared(judge, case, against, whose, is_improved);
    let mut findings = Vec::new();
    if let Some(reference) = &case.case.reference {
        let whose = format!("{reference}'s");
        let compared = case.parity.map(|parity| compared(parity, Against::Reference, &whose, tolerance));
        // A reference has nothing to agree with, but its output may be one that nothing can be compared with.
        let absent = || (!case.case.is_reference()).then(|| absent(Against::Reference, &whose));
        findings.extend(compared.or_else(absent));
    }
    if record.base.is_some() && !case.base_launches.is_empty() {
        let whose = "the base revision's";
        let compared = case.base_parity.map(|parity| compared(parity, Against::Base, whose, tolerance));
        findings.push(compared.unwrap_or_else(|| absent(Against::Base, whose)));
    }
    findings
}

/// Where launches of the case, or it and its reference, cannot have computed the same.
fn disagreement(judge: &Judge, case: &CaseRecord, tolerance: f64) -> Option<Finding> {
    let fails = |error: f64, message: String| Finding {
        fails: true,
        ..Finding::new(Figure::Output, Against::Reference, Verdict::Regressed, message)
            .between(None, Some(Quantity::Error(RelativeError(error))))
    };
    let norms = case.measured().filter_map(|(_, launch)| Some(launch.output.as_ref()?.norm));
    let (least, most) =
        norms.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), norm| (least.min(norm), most.max(norm)));
    if most - least > tolerance * most {
        let message = format!(
            "the outputs of its launches differ from each other: their norms range from {least:.4} to {most:.4}, more than {tolerance:.1e} apart"
        );
        return Some(fails((most - least) / most, message));
    }
    let reference = reference(judge, case).map_or(&[][..], |reference| &reference.launches);
    let counted = case.launches.iter().chain(&case.base_launches).chain(reference);
    (!element_counts_agree(counted)).then(|| {
        fails(
            f64::MAX,
            "its output has a different number of elements than the reference's or the base revision's".to_owned(),
        )
    })
}

fn reference<'a>(judge: &Judge<'a>, case: &CaseRecord) -> Option<&'a CaseRecord> {
    judge.record.case(case.case.reference.as_ref()?)
}

fn compared(parity: Parity, against: Against, whose: &str, tolerance: f64) -> Finding {
    let (error, verdict, message) = match parity.relative_error {
        Some(error) if error <= tolerance => {
            (error, Verdict::Unchanged, format!("the output agrees with {whose}: relative error {error:.1e}"))
        }
        Some(error) => (
            error,
            Verdict::Regressed,
            format!(
                "the output differs from {whose}: relative error {error:.1e}, tolerance {tolerance:.1e}; a wrong answer is not a speedup"
            ),
        ),
        None => (
            f64::MAX,
            Verdict::Regressed,
            format!(
                "the output cannot be compared with {whose}: it has another size, is unreadable, all zeros or not finite"
            ),
        ),
    };
    Finding {
        fails: verdict == Verdict::Regressed,
        ..Finding::new(Figure::Output, against, verdict, message)
            .between(None, Some(Quantity::Error(RelativeError(error))))
    }
}

/// What it means that an output was not compared.
fn not_compared(judge: &Judge, case: &CaseRecord, against: Against, whose: &str, is_improved: bool) -> Finding {
    let backend = &case.case.backend;
    let other = match against {
        Against::Base => &case.base_launches[..],
        _ => reference(judge, case).map_or(&[][..], |reference| &reference.launches),
    };
    // Where either side writes outputs, the evidence was to be had.
    let wrote = has_output(&case.launches) || has_output(other);
    let way_out = format!("write `job.output` (docs/protocol.md), or set `output = false` under [backends.{backend}]");
    let (verdict, message) = match judge.plan.output_demand(backend) {
        OutputDemand::Waived => {
            (Verdict::NotGated, format!("the output is not compared, as set in [backends.{backend}]"))
        }
        OutputDemand::Expected if !wrote && !is_improved => {
            (Verdict::NotGated, format!("the output is not compared with {whose}: the worker writes none; {way_out}"))
        }
        OutputDemand::Expected if !wrote => (
            Verdict::NotJudged,
            format!(
                "the output is not compared with {whose}, so an improvement does not count: the worker writes none; {way_out}"
            ),
        ),
        OutputDemand::Expected | OutputDemand::Required => (
            Verdict::NotJudged,
            format!("the output is not compared with {whose}: one of the two is missing; {way_out}"),
        ),
    };
    Finding::new(Figure::Output, against, verdict, message)
}

fn has_output(launches: &[Launch]) -> bool {
    measured(launches).any(|(_, launch)| launch.output.is_some())
}
