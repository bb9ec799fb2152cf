//! Weights from the mapped checkpoint to the device, one at a time.
//!
//! Every byte handed out is counted, so that the count is of tensors held and not of what they should be.

use std::cell::Cell;

use anyhow::{Context, Result, bail, ensure};
use safetensors::Dtype;
use tch::{Device, Kind, Tensor};
use wanbench::wan::checkpoint::View;
use wanbench::wan::{Checkpoint, Spec};

/// A checkpoint on its way to a device.
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    device: Device,
    kind: Kind,
    bytes: Cell<u64>,
}

impl<'a> Weights<'a> {
    /// Tensors of `checkpoint` for `device`, cast to `kind`.
    pub fn new(checkpoint: &'a Checkpoint, device: Device, kind: Kind) -> Self {
        Self { checkpoint, device, kind, bytes: Cell::new(0) }
    }

    /// The architecture.
    pub fn spec(&self) -> &Spec {
        &self.checkpoint.spec
    }

    /// The element type on the device.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The tensor `name` on the device.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let view = self.checkpoint.tensor(name).with_context(|| format!("the checkpoint lacks {name}"))?;
        let tensor = self.upload(&view).with_context(|| format!("cannot load {name}"))?;
        self.checkpoint.release(name);
        self.bytes.set(self.bytes.get() + (tensor.numel() * self.kind.elt_size_in_bytes()) as u64);
        Ok(tensor)
    }

    /// Bytes of all tensors so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    fn upload(&self, view: &View) -> Result<Tensor> {
        let kind = match view.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => bail!("its dtype {other:?} is not F32, F16 or BF16"),
        };
        let shape: Vec<i64> = view.shape.iter().map(|extent| *extent as i64).collect();
        // libtorch copies as many bytes as the shape says, whatever the slice holds.
        let needed = view.shape.iter().product::<usize>() * kind.elt_size_in_bytes();
        ensure!(view.data.len() == needed, "it has {} bytes, its shape needs {needed}", view.data.len());
        let host = Tensor::f_from_data_size(view.data, &shape, kind)?;
        Ok(host.f_to_kind(self.kind)?.f_to_device(self.device)?)
    }
}
