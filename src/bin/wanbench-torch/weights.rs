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
        let shape = self.shape(name)?;
        let held = self.empty(&shape)?;
        self.fill(&held, &Part { name: name.to_owned(), order })?;
        Ok(held)
    }

    /// One tensor of the rows of all `parts`.
    pub fn stacked(&mut self, parts: &[Part]) -> Result<Tensor> {
        let (rows, behind) = self.stack(parts)?;
        let held = self.empty(&[&[rows.iter().sum()], behind.as_slice()].concat())?;
        self.fill_rows(&held, parts, &rows)?;
        Ok(held)
    }

    /// The same as a matrix, for products: what is behind the first axis is one.
    pub fn matrix(&mut self, parts: &[Part]) -> Result<Tensor> {
        let (rows, behind) = self.stack(parts)?;
        let (all_rows, columns) = (rows.iter().sum(), behind.iter().product());
        let held = match self.is_transposed() {
            true => self.empty(&[columns, all_rows])?.f_transpose(0, 1)?,
            false => self.empty(&[all_rows, columns])?,
        };
        self.fill_rows(&held, parts, &rows)?;
        Ok(held)
    }

    /// Bytes of all tensors so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether matrices are transposed in memory, under their own shape: cuBLAS multiplies by such faster in f32, 236 in place of
    /// 299 µs for the second layer of a feed-forward network (4680 rows, 2048 to 512) on an H200.
    fn is_transposed(&self) -> bool {
        matches!(self.device, Device::Cuda(_)) && self.kind() == Kind::Float
    }

    fn shape(&self, name: &str) -> Result<Vec<i64>> {
        let view = self.view(name)?;
        Ok(view.shape.iter().map(|extent| *extent as i64).collect())
    }

    fn view(&self, name: &str) -> Result<View<'a>> {
        self.source.checkpoint.tensor(name).with_context(|| format!("the checkpoint lacks {name}"))
    }

    fn empty(&mut self, shape: &[i64]) -> Result<Tensor> {
        let held = Tensor::f_empty(shape, (self.kind(), self.device))?;
        self.bytes += (held.numel() * held.kind().elt_size_in_bytes()) as u64;
        Ok(held)
    }

    /// How many rows each of the parts has, and the extents behind the first axis, which they share.
    fn stack(&self, parts: &[Part]) -> Result<(Vec<i64>, Vec<i64>)> {
        let shapes = parts.iter().map(|part| self.shape(&part.name)).collect::<Result<Vec<_>>>()?;
        let split = |shape: &Vec<i64>| shape.split_first().map(|(rows, behind)| (*rows, behind.to_vec()));
        let (rows, behind): (Vec<i64>, Vec<Vec<i64>>) = shapes.iter().filter_map(split).unzip();
        Ok((rows, behind.into_iter().next().context("there is nothing to stack")?))
    }

    fn fill_rows(&mut self, held: &Tensor, parts: &[Part], rows: &[i64]) -> Result<()> {
        let mut first = 0;
        for (part, rows) in parts.iter().zip(rows) {
            self.fill(&held.f_narrow(0, first, *rows)?, part)?;
            first += rows;
        }
        Ok(())
    }

    /// Writes the elements of a stored tensor into `held`, ordered and cast on their way to the device: whatever is allocated in
    /// between is a hole in the heap afterwards.
    fn fill(&mut self, held: &Tensor, part: &Part) -> Result<()> {
        let view = self.view(&part.name)?;
        copy(&view, part.order, held).with_context(|| format!("cannot load {}", part.name))?;
        self.source.checkpoint.release(&part.name);
        self.loading.read(view.data.len() as u64)
    }
}

/// A stored tensor on its way into a part of another.
pub struct Part<'a> {
    /// Its name in the checkpoint.
    pub name: String,
    /// The order of its elements.
    pub order: Order<'a>,
}

/// Copies the elements of `view` in `order` to `held`, which has as many.
fn copy(view: &View, order: Order, held: &Tensor) -> Result<()> {
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
    Ok(held.f_view(stored.size().as_slice())?.f_copy_(&stored)?)
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
