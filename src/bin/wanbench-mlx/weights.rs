//! The weights on the device, and linear layers over them.
//!
//! Arrays and their names are kept apart: `transforms::compile` must be given every array as an argument, so the network
//! finds its weights by slot in whatever argument list it is called with.

use std::collections::HashMap;
use std::rc::Rc;

use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype, ops};
use wanbench::wan::quant::Layout;
use wanbench::wan::{DType, Spec};

use crate::hardware::Hardware;
use crate::native::{self, Packed};

/// Every weight of a model, evaluated on the device.
pub struct Weights {
    /// The architecture.
    pub spec: Spec,
    /// The arrays, in the order of the slots.
    pub arrays: Vec<Array>,
    /// Where each parameter is, or the stack that holds it: the same for all networks of one architecture, quantization and dtype.
    pub index: Rc<Index>,
}

impl Weights {
    /// Bytes of all arrays.
    pub fn nbytes(&self) -> u64 {
        self.arrays.iter().map(|array| array.nbytes() as u64).sum()
    }

    /// Within their own list.
    pub fn bound(&self) -> Bound<'_> {
        Bound { index: &self.index, arrays: &self.arrays }
    }
}

/// Names and forms of the weights in an argument list.
pub struct Index {
    slots: HashMap<String, Slot>,
    /// Of the quantized ones.
    pub layout: Option<Layout>,
    /// What they are on.
    pub hardware: Hardware,
    /// Of activations and unquantized weights.
    pub dtype: Dtype,
}

/// Where a parameter is among the arrays.
pub enum Slot {
    Plain(usize),
    Packed(Packed<usize>),
}

impl Index {
    /// Of no weights yet.
    pub fn new(layout: Option<Layout>, hardware: Hardware, dtype: Dtype) -> Self {
        Self { slots: HashMap::new(), layout, hardware, dtype }
    }

    pub fn insert(&mut self, name: String, slot: Slot) {
        self.slots.insert(name, slot);
    }

    pub fn slot(&self, name: &str) -> Result<&Slot, Exception> {
        self.slots.get(name).ok_or_else(|| Exception::custom(format!("the weights hold no {name}")))
    }

    /// See [`Hardware::product_dtype`].
    pub fn product_dtype(&self) -> Dtype {
        self.hardware.product_dtype(self.dtype)
    }
}

/// The weights within one argument list.
#[derive(Clone, Copy)]
pub struct Bound<'a> {
    pub index: &'a Index,
    /// As many arrays, in the same order, as [`Weights::arrays`].
    pub arrays: &'a [Array],
}

impl<'a> Bound<'a> {
    /// An unquantized parameter.
    pub fn param(&self, name: &str) -> Result<&'a Array, Exception> {
        match self.index.slot(name)? {
            Slot::Plain(slot) => self.array(*slot),
            Slot::Packed(_) => Err(Exception::custom(format!("{name} is quantized"))),
        }
    }

    /// x · weightᵀ + bias of the linear layer `name`, for x `[rows, in]`.
    pub fn linear(&self, name: &str, x: &Array) -> Result<Array, Exception> {
        let bias = self.param(&format!("{name}.bias"))?;
        let packed = match self.index.slot(&format!("{name}.weight"))? {
            // The patch embedding's weight is a convolution kernel as large as its stride: flat, it is a matrix.
            Slot::Plain(slot) => return self.affine(x, &self.array(*slot)?.flatten(1, None)?, bias),
            Slot::Packed(slots) => self.packed(slots)?,
        };
        let layout = self.index.layout.ok_or_else(|| Exception::custom(format!("{name} has no layout")))?;
        if !self.index.hardware.unpacks() {
            return native::quantized_matmul(x, &packed, layout)?.add(bias);
        }
        // The unpacked matrix belongs to this step: it is an intermediate of the graph, freed as soon as the product is done.
        let weight = native::dequantize(&packed, layout, self.index.product_dtype())?;
        self.affine(x, &weight, bias)
    }

    fn affine(&self, x: &Array, weight: &Array, bias: &Array) -> Result<Array, Exception> {
        let wide = self.index.product_dtype();
        let weight = weight.as_dtype(wide)?.transpose()?;
        ops::addmm(bias.as_dtype(wide)?, x.as_dtype(wide)?, weight, None, None)?.as_dtype(self.index.dtype)
    }

    /// The array in a slot.
    pub fn array(&self, slot: usize) -> Result<&'a Array, Exception> {
        self.arrays.get(slot).ok_or_else(|| Exception::custom("the argument list is too short"))
    }

    /// The arrays of a quantized parameter.
    pub fn packed(&self, slots: &Packed<usize>) -> Result<Packed<&'a Array>, Exception> {
        Ok(Packed {
            weight: self.array(slots.weight)?,
            scales: self.array(slots.scales)?,
            biases: slots.biases.map(|slot| self.array(slot)).transpose()?,
        })
    }
}

/// MLX's name of a compute dtype.
pub fn mlx_dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F32 => Dtype::Float32,
        DType::F16 => Dtype::Float16,
        DType::Bf16 => Dtype::Bfloat16,
    }
}

#[cfg(test)]
mod tests {
    use wanbench::wan::Quant;

    use super::*;
    use crate::packing;

    /// One test only: MLX is not made for several threads.
    #[test]
    fn both_ways_to_multiply_by_quantized_weights_agree() -> anyhow::Result<()> {
        mlx_rs::Device::set_default(&mlx_rs::Device::cpu());
        let wave = |rows: i32, step: f32| {
            let data: Vec<f32> = (0..rows * 128).map(|i| (i as f32 * step).sin()).collect();
            Array::from_slice(&data, &[rows, 128])
        };
        // As many rows as are quantized in two pieces, of unlike size.
        let (x, weight, bias) = (wave(5, 0.37), wave(300, 0.11), Array::from_slice(&[0.5f32; 300], &[300]));
        let exact = x.matmul(weight.transpose()?)?.add(&bias)?;
        for layout in Quant::ALL.into_iter().filter_map(Quant::layout) {
            let packed = packing::pack(&weight, layout, Hardware::Cpu)?;
            let whole = native::quantize(&weight, layout)?;
            assert!(packed.weight.eq_values(&whole.weight)? && packed.scales.eq_values(&whole.scales)?, "{layout:?}");
            let mut arrays = vec![bias.clone(), packed.weight, packed.scales];
            arrays.extend(packed.biases);
            let slot = Packed { weight: 1, scales: 2, biases: (arrays.len() > 3).then_some(3) };
            let slots = [("l.bias".to_owned(), Slot::Plain(0)), ("l.weight".to_owned(), Slot::Packed(slot))];
            let mut index =
                Index { slots: slots.into(), layout: Some(layout), hardware: Hardware::Cpu, dtype: Dtype::Float32 };
            let unpacked = Bound { index: &index, arrays: &arrays }.linear("l", &x)?;
            index.hardware = Hardware::Metal;
            let fused = Bound { index: &index, arrays: &arrays }.linear("l", &x)?;

            let distance = |a: &Array, b: &Array| a.subtract(b)?.abs()?.max(None)?.try_item_exact::<f32>();
            assert!(distance(&unpacked, &fused)? < 1e-4, "{layout:?}");
            let loss = distance(&unpacked, &exact)?;
            assert!(loss > 0.0 && loss < 8.0, "{layout:?}: {loss}");
        }
        Ok(())
    }
}
