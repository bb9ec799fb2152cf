//! The two loads that a machine's rates are measured by.
//!
//! All operands are written once beforehand, and the results go where memory is already: what is timed is no allocation.

use anyhow::Result;
use tch::{Device, Kind, Tensor};
use wanbench::wan::DType;
use wanbench::worker::{Enqueue, Kernel};

use crate::errors::brief;
use crate::weights::kind;

/// The operands of `kernel` on `device`, and what enqueues it once.
pub fn prepare(kernel: Kernel, device: Device) -> Result<Enqueue> {
    match kernel {
        Kernel::Gemm { size, dtype } => gemm(size as i64, dtype, device),
        Kernel::Copy { bytes } => copy((bytes / Kind::Float.elt_size_in_bytes()) as i64, device),
    }
}

fn gemm(size: i64, dtype: DType, device: Device) -> Result<Enqueue> {
    // Drawn as f32: not every device draws the shorter formats.
    let random = || Tensor::f_randn([size, size], (Kind::Float, device))?.f_to_kind(kind(dtype));
    let (left, right) = (random().map_err(brief)?, random().map_err(brief)?);
    let product = left.f_zeros_like().map_err(brief)?;
    Ok(Box::new(move || left.f_mm_out(&product, &right).map(drop).map_err(brief)))
}

fn copy(elements: i64, device: Device) -> Result<Enqueue> {
    let source = Tensor::f_ones(elements, (Kind::Float, device)).map_err(brief)?;
    let mut target = source.f_zeros_like().map_err(brief)?;
    Ok(Box::new(move || target.f_copy_(&source).map_err(brief)))
}
