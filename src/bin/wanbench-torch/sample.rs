//! What the network is applied to, on the device.

use anyhow::{Context, Error, Result};
use tch::{Device, Kind, Tensor};
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::{Inputs, Spec, rope, time};

use crate::rope::Rope;

/// The inputs of a pass: the latent as f32, the rest in the model's arithmetic.
pub struct Sample {
    /// Noisy latent `[channels, frames, height, width]`, f32.
    pub x: Tensor,
    /// Conditioning latent of the same extent.
    pub y: Option<Tensor>,
    /// Text rows, zero-padded: `[text_len, text_dim]`, or more of them, embedded in vain.
    pub context: Tensor,
    /// Plücker embedding `[1, 384, frames, height, width]`.
    pub camera: Option<Tensor>,
    /// CLIP's features `[rows, image_dim]`.
    pub image: Option<Tensor>,
    /// Rotations of the grid's tokens.
    pub rope: Rope,
    /// Sinusoid of the timestep that the next pass is at, `[1, freq_dim]`; it stays where it is.
    pub sinusoid: Tensor,
    /// Those of all timesteps, `[timesteps, freq_dim]`.
    sinusoids: Tensor,
    /// Patches along (frames, height, width).
    pub grid: [i64; 3],
}

impl Sample {
    /// Brings `inputs` for passes of a model of `spec` and `kind` at `timesteps` to the device.
    pub fn new(inputs: &Inputs, timesteps: &[f32], spec: &Spec, kind: Kind, device: Device) -> Result<Self> {
        let grid = spec.grid(inputs.latent()).map_err(Error::msg)?;
        let upload = |name: &str, tensor: &HostTensor, kind| -> Result<Tensor> {
            to_device(tensor, kind, device).with_context(|| format!("cannot upload the input {name}"))
        };
        let optional =
            |name, tensor: &Option<HostTensor>| tensor.as_ref().map(|tensor| upload(name, tensor, kind)).transpose();
        let sinusoids = upload("timesteps", &time::sinusoids(timesteps, spec.freq_dim), kind)?;
        Ok(Self {
            sinusoid: sinusoids.f_narrow_copy(0, 0, 1)?,
            sinusoids,
            x: upload("x", &inputs.x, Kind::Float)?,
            y: optional("y", &inputs.y)?,
            context: upload("context", &inputs.padded_context(spec), kind)?,
            camera: optional("c2ws_plucker_emb", &inputs.camera)?,
            image: optional("clip_fea", &inputs.image)?,
            rope: Rope::new(&rope::tables(spec, grid), kind, device)?,
            grid: grid.map(|extent| extent as i64),
        })
    }

    /// Has the next passes be at the timestep of so many before it.
    pub fn go_to(&mut self, timestep: usize) -> Result<()> {
        let sinusoid = self.sinusoids.f_narrow(0, timestep as i64, 1)?;
        Ok(self.sinusoid.f_copy_(&sinusoid)?)
    }
}

fn to_device(tensor: &HostTensor, kind: Kind, device: Device) -> Result<Tensor> {
    let shape: Vec<i64> = tensor.shape.iter().map(|extent| *extent as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.data)?.f_view(shape.as_slice())?.f_to_kind(kind)?.f_to_device(device)?)
}
