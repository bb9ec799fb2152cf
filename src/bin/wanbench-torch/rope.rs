//! Rotary position embedding in real arithmetic; MPS has no f64, and complex numbers have no half precision.

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use wanbench::wan::rope::RopeTables;

/// Each token's rotations on the device, `[tokens, 1, pairs]`: one for all heads.
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
    minus_sin: Tensor,
}

impl Rope {
    /// Brings the tables to the device.
    pub fn new(tables: &RopeTables, kind: Kind, device: Device) -> Result<Self> {
        let shape = [tables.tokens as i64, 1, tables.pairs as i64];
        let upload = |values: &[f32]| Tensor::f_from_slice(values)?.f_view(shape)?.f_to_kind(kind)?.f_to_device(device);
        let sin = upload(&tables.sin)?;
        Ok(Self { cos: upload(&tables.cos)?, minus_sin: sin.f_neg()?, sin })
    }

    /// Turns the pairs (2i, 2i+1) of each head of `x`, `[tokens, heads, head_dim]`.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let shape = x.size();
        let pairs = x.f_unflatten(-1, [-1, 2])?;
        let (even, odd) = (pairs.f_select(-1, 0)?, pairs.f_select(-1, 1)?);
        let turned = [
            even.f_mul(&self.cos)?.f_addcmul_(&odd, &self.minus_sin)?,
            odd.f_mul(&self.cos)?.f_addcmul_(&even, &self.sin)?,
        ];
        Ok(Tensor::f_stack(&turned, -1)?.f_view(shape.as_slice())?)
    }
}
