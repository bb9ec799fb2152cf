//! Parity: how far two outputs differ, and how far they may.

use crate::protocol::DeviceKind;
use crate::store::record::{Launch, measured};
use crate::wan::{DType, Quant};

/// ‖output − expected‖ / ‖expected‖, in f64; infinite where the lengths differ or a value is not finite.
pub fn relative_error(output: &[f32], expected: &[f32]) -> f64 {
    if output.len() != expected.len() || output.is_empty() {
        return f64::INFINITY;
    }
    let (mut difference, mut norm) = (0.0, 0.0);
    for (output, expected) in output.iter().zip(expected) {
        difference += (f64::from(*output) - f64::from(*expected)).powi(2);
        norm += f64::from(*expected).powi(2);
    }
    let error = (difference / norm).sqrt();
    if error.is_finite() { error } else { f64::INFINITY }
}

/// Whether all `launches` whose workers tell a digest have outputs of the same number of elements; of two numbers, one is of
/// a wrong output.
pub fn element_counts_agree<'a>(launches: impl IntoIterator<Item = &'a Launch>) -> bool {
    let launches = launches.into_iter().map(std::slice::from_ref);
    let mut digests = launches.flat_map(measured).filter_map(|(_, launch)| launch.output.as_ref());
    let first = digests.next();
    digests.all(|digest| Some(digest.elements) == first.map(|first| first.elements))
}

/// Tolerance against a golden output of the same quantization, which is in f32.
///
/// A CPU's are proven on golden cases; a GPU sums in another order and through other approximations, so it gets ten
/// times as much. Other arithmetic adds what rounding to it costs: twice what was measured on the golden cases.
pub fn golden_tolerance(quant: Quant, dtype: DType, device: DeviceKind) -> f64 {
    let cpu = if quant == Quant::None { 1e-5 } else { 1e-4 };
    let device = match device {
        DeviceKind::Cpu => cpu,
        DeviceKind::Gpu => 10.0 * cpu,
    };
    device + arithmetic(dtype) + other_codes(quant, dtype)
}

/// What it costs to quantize weights that were rounded to `dtype` before: some of them come to lie at another code, and the
/// scales are rounded too. Twice what was measured on the golden cases, beside [`arithmetic`].
fn other_codes(quant: Quant, dtype: DType) -> f64 {
    match (dtype, quant) {
        (DType::F32, _) | (_, Quant::None) => 0.0,
        (DType::F16, Quant::Int8) => 0.008,
        (DType::F16, Quant::Nf4 | Quant::Int4) => 0.025,
        (DType::F16, Quant::Nvfp4 | Quant::Mxfp4) => 0.045,
        (DType::Bf16, Quant::Int8) => 0.03,
        (DType::Bf16, Quant::Nf4 | Quant::Int4) => 0.075,
        (DType::Bf16, Quant::Nvfp4 | Quant::Mxfp4) => 0.115,
    }
}

/// What rounding weights and activations to `dtype` may cost one forward pass.
fn arithmetic(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => 0.0,
        DType::F16 => 0.0025,
        DType::Bf16 => 0.02,
    }
}

/// Tolerance against the unquantized f32 output of another backend: twice what rounding the synthetic model's weights
/// and activations was measured to cost.
pub fn mutual_tolerance(quant: Quant, dtype: DType, device: DeviceKind) -> f64 {
    let weights = match quant {
        Quant::None => golden_tolerance(Quant::None, DType::F32, device),
        Quant::Int8 => 0.015,
        Quant::Nf4 | Quant::Int4 => 0.27,
        Quant::Nvfp4 => 0.27,
        Quant::Mxfp4 => 0.33,
    };
    weights + arithmetic(dtype)
}

/// Tolerance of a whole denoising run's final latent against the reference's: twice what was measured on the synthetic model
/// over 5 steps of the 5-frame workload, where every quantization was run in every arithmetic on a CPU.
pub fn denoised_tolerance(quant: Quant, dtype: DType, device: DeviceKind) -> f64 {
    let weights = match quant {
        Quant::None => golden_tolerance(Quant::None, DType::F32, device),
        Quant::Int8 => 0.0105,
        Quant::Nf4 | Quant::Int4 => 0.165,
        Quant::Nvfp4 => 0.17,
        Quant::Mxfp4 => 0.215,
    };
    let arithmetic: f64 = match (dtype, quant) {
        (DType::F32, _) => 0.0,
        (DType::F16, _) => 0.0011,
        (DType::Bf16, Quant::Int8) => 0.0217,
        (DType::Bf16, _) => 0.009,
    };
    weights + arithmetic
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Digest;
    use crate::store::record::{Failure, Measured, Outcome};
    use crate::testing;

    #[test]
    fn errors_are_relative_to_the_expected_norm() {
        assert_eq!(relative_error(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert_eq!(relative_error(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
    }

    #[test]
    fn element_counts_agree_where_no_digest_tells_another() {
        let launch = |elements: Option<usize>| {
            let output = elements.map(|elements| Digest { sha256: String::new(), elements, norm: 1.0 });
            let outcome = Outcome::Measured(Measured { output, ..testing::measured(0.1, 1, None) });
            Launch { block: 0, position: 0, wall_seconds: 1.0, outcome }
        };
        let failed = Outcome::Failed(Failure { reason: String::new(), stderr_tail: Vec::new() });
        let failed = Launch { outcome: failed, ..launch(None) };
        assert!(element_counts_agree(&[]));
        assert!(element_counts_agree(&[launch(None), launch(Some(8)), failed, launch(Some(8))]));
        assert!(!element_counts_agree([&launch(Some(8)), &launch(None), &launch(Some(4))]));
    }

    #[test]
    fn what_cannot_be_compared_is_infinitely_wrong() {
        for (output, expected) in [(&[1.0][..], &[1.0, 2.0][..]), (&[], &[]), (&[f32::NAN], &[1.0]), (&[1.0], &[0.0])] {
            assert_eq!(relative_error(output, expected), f64::INFINITY);
        }
    }
}
