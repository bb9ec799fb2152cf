//! Number formats: compute dtypes, weight quantizations, and the exact bytes a model takes in them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::params;
use super::spec::Spec;

/// Arithmetic of activations and unquantized weights.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// IEEE single precision: f32 arithmetic, no TF32, no bf16 attention.
    #[default]
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
}

/// Weight quantization, under the names of the founding report.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Quant {
    /// Weights as they are.
    #[default]
    None,
    /// MLX affine, 8 bit, group 64.
    Int8,
    /// The founding report's name for MLX affine, 4 bit, group 64: the same as int4.
    Nf4,
    /// MLX affine, 4 bit, group 64.
    Int4,
    /// NVIDIA's 4-bit float, group 16.
    Nvfp4,
    /// OCP microscaling 4-bit float, group 32.
    Mxfp4,
}

/// How a quantized weight is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// MLX's name of the mode.
    pub mode: &'static str,
    /// Bits of one weight.
    pub bits: usize,
    /// Consecutive input weights that share a scale.
    pub group_size: usize,
}

impl DType {
    /// Every dtype.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Bytes of one element.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Lower-case name, as in config.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

impl Quant {
    /// Every quantization.
    pub const ALL: [Self; 6] = [Self::None, Self::Int8, Self::Nf4, Self::Int4, Self::Nvfp4, Self::Mxfp4];

    /// Lower-case name, as in config.toml.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Int8 => "int8",
            Self::Nf4 => "nf4",
            Self::Int4 => "int4",
            Self::Nvfp4 => "nvfp4",
            Self::Mxfp4 => "mxfp4",
        }
    }

    /// MLX's parameters of the mode; `None` where weights are not quantized.
    pub fn layout(self) -> Option<Layout> {
        let (mode, bits, group_size) = match self {
            Self::None => return None,
            Self::Int8 => ("affine", 8, 64),
            Self::Nf4 | Self::Int4 => ("affine", 4, 64),
            Self::Nvfp4 => ("nvfp4", 4, 16),
            Self::Mxfp4 => ("mxfp4", 4, 32),
        };
        Some(Layout { mode, bits, group_size })
    }
}

impl Layout {
    /// Whether each group has an offset beside its scale.
    pub fn has_biases(self) -> bool {
        self.mode == "affine"
    }

    /// Bytes of scales (and, in affine mode, biases) per group.
    fn group_bytes(self, dtype: DType) -> usize {
        if self.has_biases() { 2 * dtype.size_bytes() } else { 1 }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Quant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Bytes of all weights of `spec` once loaded as `dtype` with `quant`.
///
/// This is what a worker's own count of its arrays must equal; it is the same on every machine.
pub fn model_bytes(spec: &Spec, quant: Quant, dtype: DType) -> u64 {
    let bytes: usize = params(spec)
        .iter()
        .map(|param| match quant.layout() {
            Some(layout) if param.is_quantizable() => {
                param.len() * layout.bits / 8 + param.len() / layout.group_size * layout.group_bytes(dtype)
            }
            _ => param.len() * dtype.size_bytes(),
        })
        .sum();
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_model_bytes_are_the_published_ones() {
        let spec = Spec::synthetic();
        let bytes = |quant| model_bytes(&spec, quant, DType::F32);
        assert_eq!(bytes(Quant::None), 99_164_288);
        assert_eq!(bytes(Quant::Int8), 30_486_656);
        assert_eq!(bytes(Quant::Nf4), 18_542_720);
        assert_eq!(bytes(Quant::Int4), 18_542_720);
        assert_eq!(bytes(Quant::Nvfp4), 17_049_728);
        assert_eq!(bytes(Quant::Mxfp4), 16_303_232);
    }
}
