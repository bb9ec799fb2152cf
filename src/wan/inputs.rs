//! The inputs of a forward pass as host data, and the file they travel in.

use std::path::Path;

use super::reading::CheckpointError;
use super::spec::{PLUCKER_CHANNELS, Spec};
use super::tensor_file::TensorFile;

/// A row-major f32 tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Extents.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Vec<f32>,
}

/// What one forward pass takes, for one sample.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Noisy latent `[channels, frames, height, width]`.
    pub x: HostTensor,
    /// Conditioning latent of the same extent, if the model takes one.
    pub y: Option<HostTensor>,
    /// Text rows `[rows, text_dim]`, at most `text_len` of them.
    pub context: HostTensor,
    /// Plücker embedding `[1, 384, frames, height, width]`, if the camera is controlled.
    pub camera: Option<HostTensor>,
    /// CLIP's features of an image `[rows, image_dim]`, if the network is conditioned on them.
    pub image: Option<HostTensor>,
    /// Timestep of a golden case; a denoising run sets its own.
    pub t: Option<f32>,
    /// Rows behind the text that are embedded with it and go no further: work in vain, to prove that slowdowns are found.
    /// Zero in every measurement.
    pub rows_in_vain: usize,
}

impl Inputs {
    /// Reads `x`, `y`, `context`, `c2ws_plucker_emb`, `clip_fea` and `t` from a safetensors file.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let file = TensorFile::open(path)?;
        let malformed = |reason: String| CheckpointError::Malformed { path: path.to_owned(), reason };
        let read = |name: &str| {
            let Some(view) = file.tensor(name) else { return Ok(None) };
            let data = view.to_f32().ok_or_else(|| malformed(format!("{name} is {:?}, not a float", view.dtype)))?;
            Ok(Some(HostTensor { shape: view.shape.to_vec(), data }))
        };
        let need = |name: &str| read(name)?.ok_or_else(|| malformed(format!("has no tensor {name}")));
        Ok(Self {
            x: need("x")?,
            y: read("y")?,
            context: need("context")?,
            camera: read("c2ws_plucker_emb")?,
            image: read("clip_fea")?,
            t: read("t")?.and_then(|t| t.data.first().copied()),
            rows_in_vain: 0,
        })
    }

    /// Checks every shape against the model; the error names the input.
    pub fn check(&self, spec: &Spec) -> Result<(), String> {
        let &[channels, frames, height, width] = self.x.shape.as_slice() else {
            return Err(format!("x is {:?}, not [channels, frames, height, width]", self.x.shape));
        };
        let latent = [frames, height, width];
        spec.grid(latent)?;
        let condition = match &self.y {
            Some(y) if y.shape.len() != 4 || y.shape[1..] != latent => {
                return Err(format!("y is {:?}, but x is {:?}", y.shape, self.x.shape));
            }
            Some(y) => y.shape[0],
            None if spec.model_type.needs_condition() => return Err("an i2v model needs the input y".to_owned()),
            None => 0,
        };
        if channels + condition != spec.in_dim {
            return Err(format!("x and y have {channels} + {condition} channels, the model takes {}", spec.in_dim));
        }
        match self.context.shape.as_slice() {
            &[rows, width] if rows <= spec.text_len && width == spec.text_dim => {}
            shape => {
                return Err(format!(
                    "context is {shape:?}, the model takes at most [{}, {}]",
                    spec.text_len, spec.text_dim
                ));
            }
        }
        match (self.image.as_ref().map(|image| image.shape.as_slice()), spec.image_dim) {
            (None, None) => {}
            (Some(&[rows, width]), Some(expected)) if rows > 0 && width == expected => {}
            (Some(shape), Some(width)) => return Err(format!("clip_fea is {shape:?}, expected [rows, {width}]")),
            (None, Some(width)) => return Err(format!("the model needs the input clip_fea, [rows, {width}]")),
            (Some(_), None) => return Err("clip_fea is given, but the checkpoint has no image layers".to_owned()),
        }
        if let Some(camera) = &self.camera {
            if !spec.camera {
                return Err("c2ws_plucker_emb is given, but the checkpoint has no camera layers".to_owned());
            }
            let expected = [1, PLUCKER_CHANNELS, frames, height, width];
            if camera.shape != expected {
                return Err(format!("c2ws_plucker_emb is {:?}, expected {expected:?}", camera.shape));
            }
        }
        Ok(())
    }

    /// Latent extent (frames, height, width).
    pub fn latent(&self) -> [usize; 3] {
        [self.x.shape[1], self.x.shape[2], self.x.shape[3]]
    }

    /// The text rows zero-padded to `[text_len + rows_in_vain, text_dim]`.
    pub fn padded_context(&self, spec: &Spec) -> HostTensor {
        let rows = spec.text_len + self.rows_in_vain;
        let mut data = self.context.data.clone();
        data.resize(rows * spec.text_dim, 0.0);
        HostTensor { shape: vec![rows, spec.text_dim], data }
    }
}
