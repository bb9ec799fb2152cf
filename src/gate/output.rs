//! The output: a wrong answer is no speedup.

use super::{Finding, Metric, Verdict};
use crate::config::Thresholds;
use crate::evidence::parity::denoised_tolerance;
use crate::protocol::DeviceKind;
use crate::store::record::CaseRecord;

/// Holds the case's final latent against its reference's, and its launches' against each other; nothing where the worker
/// writes none.
pub(super) fn judge_output(record: &CaseRecord, device: DeviceKind, gate: &Thresholds) -> Option<Finding> {
    let tolerance = gate.parity_tolerance_factor * denoised_tolerance(record.case.quant, record.case.dtype, device);
    let norms = record.measured().filter_map(|(_, launch)| Some(launch.output.as_ref()?.norm));
    let (least, most) =
        norms.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), norm| (least.min(norm), most.max(norm)));
    if most - least > tolerance * most {
        let message = format!(
            "its launches' outputs differ from each other: their norms are from {least:.4} to {most:.4}, more than {tolerance:.1e} apart"
        );
        return Some(finding((most - least) / most, Verdict::Regressed, message));
    }
    let reference = record.case.reference.as_deref().unwrap_or_default();
    let (error, verdict, message) = match record.parity?.relative_error {
        Some(error) if error <= tolerance => {
            (error, Verdict::Unchanged, format!("the output agrees with {reference}'s: relative error {error:.1e}"))
        }
        Some(error) => (
            error,
            Verdict::Regressed,
            format!(
                "the output is not {reference}'s: relative error {error:.1e}, tolerance {tolerance:.1e}; a wrong answer is no speedup"
            ),
        ),
        None => (
            f64::MAX,
            Verdict::Regressed,
            format!("the output cannot be compared with {reference}'s: another size, or zero, or not finite"),
        ),
    };
    Some(finding(error, verdict, message))
}

fn finding(error: f64, verdict: Verdict, message: String) -> Finding {
    Finding {
        fails: verdict == Verdict::Regressed,
        ..Finding::new(Metric::Output, None, Some(error), verdict, message)
    }
}
