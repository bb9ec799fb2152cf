//! What MLX computes on, and what follows from it for the network.

use mlx_rs::Dtype;
use wanbench::protocol::DeviceKind;

/// MLX's backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// A CPU, by BLAS.
    Cpu,
    /// Apple's GPU.
    Metal,
    /// NVIDIA's GPU.
    Cuda,
}

impl Hardware {
    /// What the protocol calls it.
    pub fn kind(self) -> DeviceKind {
        match self {
            Self::Cpu => DeviceKind::Cpu,
            Self::Metal | Self::Cuda => DeviceKind::Gpu,
        }
    }

    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Metal => "metal",
            Self::Cuda => "cuda",
        }
    }

    /// What matrix products are computed in. A CPU's BLAS has no half precision and MLX's own loop is 80 times slower than f32, so
    /// there operands are widened and results rounded back: the same values, accumulated in f32 as on a GPU.
    pub fn product_dtype(self, dtype: Dtype) -> Dtype {
        match self {
            Self::Cpu => Dtype::Float32,
            Self::Metal | Self::Cuda => dtype,
        }
    }

    /// Whether a quantized matrix is unpacked for each product. MLX's quantized product on a CPU is a plain loop, 80 times slower than
    /// unpacking for BLAS. Its kernels on CUDA round f32 to TF32; in half precision they take up to twice as long as the product of
    /// unpacked weights, a minute to compile, and with int4 and nf4 their results are off by a tenth (seen on an H200, MLX 0.32.2).
    pub fn unpacks(self) -> bool {
        match self {
            Self::Cpu | Self::Cuda => true,
            Self::Metal => false,
        }
    }
}
