//! Rotary position embedding in real arithmetic: MPS has no f64, and complex numbers have no half precision.
//!
//! The definition turns the pairs (2i, 2i+1) of each head. On a CPU strided pairs cost three to five times as much as
//! contiguous halves, so the features are reordered once, in the weights that produce q and k: pair i then stands at
//! (i, i + pairs). Scores are sums over the features of both, so their common order does not matter.

use anyhow::Result;
use tch::{Device, Kind, TchError, Tensor};
use wanbench::wan::rope::RopeTables;

/// Each token's rotations on the device, `[tokens, 1, head_dim]`: the same for all heads.
pub struct Rope {
    /// Of both halves.
    cos: Tensor,
    /// Of the second half; negated for the first.
    sin: Tensor,
}

impl Rope {
    /// Brings the tables to the device.
    pub fn new(tables: &RopeTables, kind: Kind, device: Device) -> Result<Self> {
        let shape = [tables.tokens as i64, 1, tables.pairs as i64];
        let upload = |values: &[f32]| Tensor::f_from_slice(values)?.f_view(shape)?.f_to_kind(kind)?.f_to_device(device);
        let (cos, sin) = (upload(&tables.cos)?, upload(&tables.sin)?);
        Ok(Self { cos: Tensor::f_cat(&[&cos, &cos], -1)?, sin: Tensor::f_cat(&[&sin.f_neg()?, &sin], -1)? })
    }

    /// Turns the pairs of each head of `x`, `[tokens, heads, head_dim]`, in halves order.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let halves = x.f_chunk(2, -1)?;
        let partners = Tensor::f_cat(&[&halves[1], &halves[0]], -1)?;
        x.f_mul(&self.cos)?.f_addcmul_(&partners, &self.sin)
    }
}

/// Reorders the features of each head, the first axis of a weight, from pairs to halves: a view
/// `[heads, 2, pairs, columns]`.
pub fn pairs_to_halves(weight: &Tensor, heads: i64) -> Result<Tensor, TchError> {
    let columns: i64 = weight.size()[1..].iter().product();
    weight.f_view([heads, -1, 2, columns])?.f_transpose(1, 2)
}
