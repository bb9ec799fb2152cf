//! What a case will take before it is run: memory from the model's sizes, time from the machine's rates. Pure.
//!
//! The peak's formulas were fitted to measured peaks of both workers on a CPU and on an NVIDIA H200 (see the tests). On a Mac's
//! GPU the parts are a CPU's but for the attention's scores, which both frameworks' kernels keep to themselves.

mod fit;
mod plan;
mod power;

use serde::Serialize;

use crate::config::{Case, cpu_memory, cuda_memory};
use crate::protocol::{DeviceKind, Rates};
use crate::store::record::Layers;
use crate::wan::params::params;
use crate::wan::quant::model_bytes;
use crate::wan::work::{self, Work};
use crate::wan::{DType, Quant, Spec};

pub use fit::{Fit, fit};
pub use plan::{BackendRates, PlannedCase, RatesByBackend, SuitePlan, Terms};
pub use power::{AIM_PERCENT, Power};

/// What one launch of a case will take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Tokens of the workload.
    pub tokens: usize,
    /// What one step computes.
    pub work: Work,
    /// Bytes of the weights, of all networks in memory together.
    pub model_bytes: u64,
    /// The expected device peak: the process's, or the framework's in a GPU's own memory.
    pub peak_bytes: u64,
    /// What a GPU's driver holds beside for the process, in a GPU's own memory.
    #[serde(skip)]
    pub driver_bytes: u64,
    /// Layers that the workload needs and the network does not have.
    #[serde(skip)]
    pub lacks: Option<Layers>,
}

impl Forecast {
    /// Of `case` on `device`, whose network is of `spec` and has a largest tensor of so many bytes in its checkpoint.
    pub fn new(case: &Case, spec: &Spec, largest_tensor_bytes: u64, device: DeviceKind) -> Self {
        let tokens = spec.tokens(case.workload.latent);
        let network_bytes = model_bytes(spec, case.quant, case.dtype);
        let work = work::of_forward_pass(spec, tokens, case.workload.camera, network_bytes, case.dtype.size_bytes());
        let model_bytes = network_bytes * case.workload.experts.resident() as u64;
        let lacks = (case.workload.camera && !spec.camera).then_some(Layers::Camera);
        let (beside, driver_bytes) = match has_own_memory(device) {
            true => (cuda_bytes(case, spec, tokens), CUDA_DRIVER_BYTES),
            false => (step_bytes(case, spec, tokens, device), 0),
        };
        let peak_bytes = model_bytes + largest_tensor_bytes.max(beside) + own_bytes(case, device);
        Self { tokens, work, model_bytes, peak_bytes, driver_bytes, lacks }
    }

    /// All that a launch takes of the device's memory.
    pub fn needs_bytes(&self) -> u64 {
        self.peak_bytes + self.driver_bytes
    }

    /// Seconds of a step where products run at the machine's GEMM rate and all else at its copy rate: no program is
    /// expected to be much faster.
    pub fn step_seconds(&self, rates: &Rates) -> f64 {
        self.work.flops / rates.gemm_flops_per_second + self.work.bytes / rates.copy_bytes_per_second
    }
}

/// Bytes that a step holds beside the weights: activations, attention's scores where they are computed one by one, and
/// matrices unpacked for their products.
fn step_bytes(case: &Case, spec: &Spec, tokens: usize, device: DeviceKind) -> u64 {
    let camera_rows = if case.workload.camera { 4 * spec.dim } else { 0 };
    let row = (10 * spec.dim + 2 * spec.ffn_dim + camera_rows) * case.dtype.size_bytes();
    let mut bytes = tokens * row;
    let memory = cpu_memory(&case.backend);
    let is_on_cpu = device == DeviceKind::Cpu;
    if is_on_cpu && memory.holds_scores {
        bytes += spec.num_heads * tokens * tokens.max(spec.text_len) * size_of::<f32>();
    }
    let unpacked = if is_on_cpu && memory.unpacks_weights { unpacked_bytes(case, spec, size_of::<f32>()) } else { 0 };
    bytes as u64 + unpacked
}

/// Whether a device has memory of its own, as every GPU but a Mac's is taken to have.
fn has_own_memory(device: DeviceKind) -> bool {
    device == DeviceKind::Gpu && !cfg!(target_os = "macos")
}

/// What the driver takes of a GPU's own memory for a process of either framework: an assumption on the safe side.
const CUDA_DRIVER_BYTES: u64 = 768 << 20;

/// Bytes that a step holds beside the weights in an NVIDIA GPU's own memory.
fn cuda_bytes(case: &Case, spec: &Spec, tokens: usize) -> u64 {
    let memory = cuda_memory(&case.backend);
    let held = if case.dtype == DType::F32 { memory.f32 } else { memory.half };
    let (rows, unpacked) = match memory.rows_beside_unpacked {
        Some(share) if case.quant != Quant::None => {
            (share * held.rows, unpacked_bytes(case, spec, case.dtype.size_bytes()))
        }
        _ => (held.rows, 0),
    };
    // The rotations are two values for each feature of a head.
    let row = (rows * spec.dim as f64) as usize + 2 * spec.head_dim();
    let passes = if memory.is_recorded { case.workload.experts.resident() } else { 1 };
    held.workspace_bytes + (passes * tokens * row * case.dtype.size_bytes()) as u64 + unpacked
}

/// Bytes of the quantized matrices that are unpacked for their products, to elements of so many bytes; the next one may be unpacked
/// while the last is in use.
fn unpacked_bytes(case: &Case, spec: &Spec, element_bytes: usize) -> u64 {
    if case.quant == Quant::None {
        return 0;
    }
    let largest = params(spec).iter().filter(|param| param.is_quantizable()).map(|param| param.len()).max();
    (2 * largest.unwrap_or(0) * element_bytes) as u64
}

/// Bytes of the program and its framework, before anything is loaded: none of them in a GPU's own memory.
fn own_bytes(case: &Case, device: DeviceKind) -> u64 {
    match device {
        _ if has_own_memory(device) => 0,
        DeviceKind::Gpu => 512 << 20,
        DeviceKind::Cpu => cpu_memory(&case.backend).program_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plain_workload as workload;

    fn forecast(backend: &str, frames: usize, quant: Quant) -> Forecast {
        let latent = if frames == 5 { [4, 16, 32] } else { [12, 30, 52] };
        let workload = crate::config::Workload { latent, ..workload(frames) };
        Forecast::new(&Case::new(backend, workload, quant, DType::F32), &Spec::synthetic(), 4 << 20, DeviceKind::Cpu)
    }

    /// Peaks of both workers on 2 cores of an AMD EPYC under Linux, in MiB.
    #[test]
    fn expected_peaks_are_near_measured_ones() {
        for (backend, frames, quant, measured) in [
            ("torch", 5, Quant::None, 238),
            ("torch", 41, Quant::None, 393),
            ("mlx", 5, Quant::None, 156),
            ("mlx", 5, Quant::Int8, 115),
            ("mlx", 5, Quant::Nf4, 104),
            ("mlx", 41, Quant::None, 1022),
            ("mlx", 41, Quant::Int8, 920),
            ("mlx", 41, Quant::Nf4, 893),
        ] {
            let expected = forecast(backend, frames, quant).peak_bytes as f64 / f64::from(1 << 20);
            let ratio = expected / f64::from(measured);
            assert!((0.85..1.15).contains(&ratio), "{backend} {frames}f {quant}: {expected:.0}, measured {measured}");
        }
    }

    /// Peaks by the frameworks' own account on an NVIDIA H200, in MiB: MLX 0.32.2, PyTorch 2.11. MLX's with 5 frames differ between
    /// launches, by up to a half with quantized weights, as the GPU is more or less behind the host; none of those is here.
    #[cfg(not(target_os = "macos"))]
    #[test]
    fn expected_peaks_on_an_nvidia_gpu_are_near_measured_ones() {
        let (small, middle, large) = ([4, 16, 32], [12, 30, 52], [24, 30, 52]);
        for (backend, latent, quant, dtype, measured) in [
            ("torch", small, Quant::None, DType::F32, 137),
            ("torch", middle, Quant::None, DType::F32, 215),
            ("torch", large, Quant::None, DType::F32, 300),
            ("torch", small, Quant::None, DType::F16, 86),
            ("torch", middle, Quant::None, DType::F16, 125),
            ("torch", large, Quant::None, DType::Bf16, 168),
            ("mlx", small, Quant::None, DType::F32, 176),
            ("mlx", middle, Quant::None, DType::F32, 539),
            ("mlx", large, Quant::None, DType::F32, 972),
            ("mlx", small, Quant::None, DType::F16, 62),
            ("mlx", middle, Quant::None, DType::F16, 229),
            ("mlx", large, Quant::None, DType::F16, 422),
            ("mlx", middle, Quant::None, DType::Bf16, 229),
            ("mlx", large, Quant::None, DType::Bf16, 418),
            ("mlx", middle, Quant::Int8, DType::F32, 422),
            ("mlx", large, Quant::Int8, DType::F32, 783),
            ("mlx", middle, Quant::Int8, DType::F16, 203),
            ("mlx", large, Quant::Int8, DType::F16, 370),
            ("mlx", middle, Quant::Nf4, DType::F32, 411),
            ("mlx", large, Quant::Nf4, DType::F32, 771),
            ("mlx", middle, Quant::Nf4, DType::Bf16, 191),
            ("mlx", large, Quant::Nf4, DType::Bf16, 358),
            ("mlx", middle, Quant::Mxfp4, DType::F32, 409),
            ("mlx", large, Quant::Nvfp4, DType::F16, 358),
        ] {
            let case = Case::new(backend, crate::config::Workload { latent, ..workload(1) }, quant, dtype);
            let forecast = Forecast::new(&case, &Spec::synthetic(), 4 << 20, DeviceKind::Gpu);
            let ratio = forecast.peak_bytes as f64 / f64::from(1 << 20) / f64::from(measured);
            assert!((0.85..1.15).contains(&ratio), "{} {dtype}: {ratio:.2} of what was measured", case.name);
        }
    }

    /// A recorded pass keeps its memory, so that two networks of PyTorch in memory have two.
    #[cfg(not(target_os = "macos"))]
    #[test]
    fn on_an_nvidia_gpu_each_recorded_network_counts_with_its_pass() {
        use crate::wan::Experts;
        let beside = |backend: &str, experts: Experts| {
            let workload = crate::config::Workload { latent: [12, 30, 52], experts, ..workload(41) };
            let case = Case::new(backend, workload, Quant::None, DType::F32);
            let forecast = Forecast::new(&case, &Spec::synthetic(), 0, DeviceKind::Gpu);
            forecast.peak_bytes - forecast.model_bytes
        };
        let rows = 4680 * (9 * 512 + 128) * 4;
        assert_eq!(beside("torch", Experts::Both) - beside("torch", Experts::Low), rows);
        assert_eq!(beside("mlx", Experts::Both), beside("mlx", Experts::Low));
    }

    /// MLX over four tokens, in MiB, on the same machine.
    #[test]
    fn the_expected_peak_of_productions_sizes_is_near_the_measured_one() {
        let spec = Spec { dim: 5120, ffn_dim: 13824, num_heads: 40, num_layers: 40, in_dim: 36, ..Spec::synthetic() };
        let spec = Spec { out_dim: 16, freq_dim: 256, text_dim: 4096, text_len: 512, ..spec };
        let workload = crate::config::Workload { latent: [1, 4, 4], ..workload(1) };
        let largest_tensor_bytes = 6 * 5120 * 5120 * 4;
        let case = Case::new("mlx", workload, Quant::Nf4, DType::F32);
        let forecast = Forecast::new(&case, &spec, largest_tensor_bytes, DeviceKind::Cpu);
        assert_eq!(forecast.model_bytes >> 20, 11_100);
        let ratio = forecast.peak_bytes as f64 / f64::from(1 << 20) / 12_694.0;
        assert!((0.95..1.05).contains(&ratio), "{ratio}");
    }

    #[test]
    fn time_is_the_products_at_one_rate_and_the_bytes_at_another() {
        let forecast = forecast("torch", 5, Quant::None);
        assert_eq!(forecast.tokens, 512);
        let rates = Rates { gemm_flops_per_second: 1e11, copy_bytes_per_second: 1e10 };
        let (flops, bytes) = (forecast.work.flops, forecast.work.bytes);
        assert_eq!(forecast.step_seconds(&rates), flops / 1e11 + bytes / 1e10);
    }
}
