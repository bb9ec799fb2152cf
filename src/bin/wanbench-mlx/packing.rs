//! Quantizing a weight, in bounded memory.

use anyhow::Result;
use mlx_rs::ops::indexing::TryIndexOp;
use mlx_rs::{Array, ops, transforms};
use wanbench::wan::quant::Layout;

use crate::hardware::Hardware;
use crate::native::{self, Packed};

/// Bytes of the rows that are quantized at a time where that takes many times their memory.
const PIECE_BYTES: usize = 128 << 10;

/// Quantizes the rows of `w` and waits until that is done.
pub fn pack(w: &Array, layout: Layout, hardware: Hardware) -> Result<Packed<Array>> {
    // A CPU has no kernel for float formats: MLX composes one, whose intermediates take 18 times the bytes of the rows.
    let is_composed = hardware == Hardware::Cpu && !layout.has_biases();
    if is_composed { pack_in_pieces(w, layout) } else { evaluated(native::quantize(w, layout)?) }
}

/// Rows are quantized each by itself, so pieces of them give the same bits as the whole.
fn pack_in_pieces(w: &Array, layout: Layout) -> Result<Packed<Array>> {
    let rows = w.shape()[0];
    let step = (PIECE_BYTES / (w.nbytes() / rows as usize)).max(1);
    let (mut weights, mut scales) = (Vec::new(), Vec::new());
    for start in (0..rows).step_by(step) {
        let end = rows.min(start + step as i32);
        let piece = evaluated(native::quantize(&w.try_index(start..end)?, layout)?)?;
        weights.push(piece.weight);
        scales.push(piece.scales);
    }
    let packed = Packed { weight: ops::concatenate(&weights, 0)?, scales: ops::concatenate(&scales, 0)?, biases: None };
    evaluated(packed)
}

fn evaluated(packed: Packed<Array>) -> Result<Packed<Array>> {
    transforms::eval([&packed.weight, &packed.scales].into_iter().chain(&packed.biases))?;
    Ok(packed)
}
