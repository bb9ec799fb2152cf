//! Weights from the mapped checkpoint to the device, one at a time and in one copy.
//!
//! Every byte handed out is counted, so that the count is of tensors held and not of what they should be.

use anyhow::{Context, Result, bail, ensure};
use safetensors::Dtype;
use tch::{Device, Kind, TchError, Tensor};
use wanbench::wan::tensor_file::View;
use wanbench::wan::{DType, Spec};
use wanbench::worker::{LoadingProgress, Source};

/// A view of a stored tensor, in the order in which its elements are to be held.
pub type Order<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor, TchError>;

/// A checkpoint on its way to a device.
pub struct Weights<'a, 'wire> {
    source: &'a Source,
    loading: &'a mut LoadingProgress<'wire>,
    device: Device,
    bytes: u64,
}

impl<'a, 'wire> Weights<'a, 'wire> {
    /// Tensors of `source` for `device`; `loading` hears of each.
    pub fn new(source: &'a Source, loading: &'a mut LoadingProgress<'wire>, device: Device) -> Self {
        Self { source, loading, device, bytes: 0 }
    }

    /// The architecture.
    pub fn spec(&self) -> &Spec {
        &self.source.checkpoint.spec
    }

    /// The element type on the device.
    pub fn kind(&self) -> Kind {
        kind(self.source.dtype)
    }

    /// The tensor `name` on the device.
    pub fn tensor(&mut self, name: &str) -> Result<Tensor> {
        self.ordered(name, AS_STORED)
    }

    /// The same, its elements in another order under the same shape.
    pub fn ordered(&mut self, name: &str, order: Order) -> Result<Tensor> {
        let checkpoint = &self.source.checkpoint;
        let view = checkpoint.tensor(name).with_context(|| format!("the checkpoint lacks {name}"))?;
        let tensor = self.upload(&view, order).with_context(|| format!("cannot load {name}"))?;
        checkpoint.release(name);
        self.loading.read(view.data.len() as u64)?;
        self.bytes += (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        Ok(tensor)
    }

    /// Bytes of all tensors so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The elements of `view`, ordered and cast on their way to the device: whatever is allocated in between is a hole in
    /// the heap afterwards.
    fn upload(&self, view: &View, order: Order) -> Result<Tensor> {
        let stored_as = match view.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => bail!("its dtype {other:?} is not F32, F16 or BF16"),
        };
        let shape: Vec<i64> = view.shape.iter().map(|extent| *extent as i64).collect();
        // libtorch reads as many bytes as the shape says, whatever the slice holds.
        let needed = view.shape.iter().product::<usize>() * stored_as.elt_size_in_bytes();
        ensure!(view.data.len() == needed, "it has {} bytes, its shape needs {needed}", view.data.len());
        let stored = if view.data.as_ptr().addr().is_multiple_of(stored_as.elt_size_in_bytes()) {
            // SAFETY: the mapped bytes are as many as libtorch reads and aligned as it expects. They outlive `stored` and its
            // view, which this function drops; the copy below only reads them and is done when it returns.
            unsafe { Tensor::f_from_blob(view.data.as_ptr(), &shape, &[], stored_as, Device::Cpu) }?
        } else {
            // The format promises no alignment.
            Tensor::f_from_data_size(view.data, &shape, stored_as)?
        };
        let stored = order(&stored)?;
        let mut held = Tensor::f_empty(stored.size(), (self.kind(), self.device))?;
        held.f_copy_(&stored)?;
        Ok(held.f_view(shape.as_slice())?)
    }
}

/// The order that needs none.
pub const AS_STORED: Order = &|stored| Ok(stored.shallow_clone());

/// libtorch's name of a dtype.
pub fn kind(dtype: DType) -> Kind {
    match dtype {
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::Bf16 => Kind::BFloat16,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wanbench::wan::params::params;
    use wanbench::wan::{Checkpoint, Quant, synthetic};

    use super::*;

    /// All tensors of the checkpoint in `folder`, held as `dtype`.
    fn load(folder: &Path, dtype: DType) -> Vec<Tensor> {
        let checkpoint = Checkpoint::open(folder).unwrap();
        let source = Source { checkpoint, quantized: None, quant: Quant::None, dtype };
        let mut loading = LoadingProgress::unheard();
        let mut weights = Weights::new(&source, &mut loading, Device::Cpu);
        params(&source.checkpoint.spec).iter().map(|param| weights.tensor(&param.name).unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_not_aligned_loads_alike() {
        let spec = Spec { dim: 64, ffn_dim: 64, num_heads: 2, num_layers: 1, text_dim: 64, ..Spec::synthetic() };
        let cache = tempfile::tempdir().unwrap();
        let folder = synthetic::checkpoint(cache.path(), &spec, 1).unwrap();
        let aligned = [DType::F32, DType::Bf16].map(|dtype| load(&folder, dtype));

        // One more space behind the header moves all tensors by a byte.
        let path = folder.join("diffusion_pytorch_model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let (length, rest) = bytes.split_first_chunk().unwrap();
        let length = u64::from_le_bytes(*length);
        let (header, data) = rest.split_at(length as usize);
        std::fs::write(&path, [&(length + 1).to_le_bytes(), header, b" ", data].concat()).unwrap();

        assert_eq!(aligned, [DType::F32, DType::Bf16].map(|dtype| load(&folder, dtype)));
    }
}
