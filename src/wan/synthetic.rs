//! Seeded weights and inputs, made once as data so that every backend reads the same bytes.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use safetensors::tensor::{Dtype, View};

use super::inputs::HostTensor;
use super::params::{Param, Role, params};
use super::spec::{IMAGE_ROWS, PLUCKER_CHANNELS, Spec};
use crate::files::save;
use crate::text::format;

/// Raised when the drawn values change, so that files of an older wanbench are not taken for today's.
const GENERATION: u32 = 1;

/// The folder of a seeded checkpoint of `spec`; made on first use, found again afterwards.
pub fn checkpoint(cache: &Path, spec: &Spec, seed: u64) -> io::Result<PathBuf> {
    let folder = cache.join("data").join(key(&format!("{spec:?} {seed}"), "model"));
    // config.json is written last: a folder that has it is whole.
    let config = folder.join("config.json");
    if !config.exists() {
        let mut normal = Normal::new(seed, 0);
        let tensors: Vec<_> =
            params(spec).into_iter().map(|param| (param.name.clone(), normal.param(&param))).collect();
        write_tensors(&folder.join("diffusion_pytorch_model.safetensors"), &tensors)?;
        save::json(&config, spec)?;
    }
    Ok(folder)
}

/// The file of seeded inputs for a latent of (frames, height, width); made on first use.
///
/// `text_rows` rows of text; with `camera`, a Plücker embedding too.
pub fn inputs(
    cache: &Path,
    spec: &Spec,
    latent: [usize; 3],
    text_rows: usize,
    camera: bool,
    seed: u64,
) -> io::Result<PathBuf> {
    let what = format!("{spec:?} {latent:?} {text_rows} {camera} {seed}");
    let path = cache.join("data").join(key(&what, "inputs") + ".safetensors");
    if !path.exists() {
        let [frames, height, width] = latent;
        let mut normal = Normal::new(seed, 1);
        // As in production, x has the output's channels and y the rest.
        let mut tensors = vec![("x".to_owned(), normal.tensor(&[spec.out_dim, frames, height, width], 1.0))];
        if spec.in_dim > spec.out_dim {
            tensors.push(("y".to_owned(), normal.tensor(&[spec.in_dim - spec.out_dim, frames, height, width], 1.0)));
        }
        tensors.push(("context".to_owned(), normal.tensor(&[text_rows.min(spec.text_len), spec.text_dim], 1.0)));
        if camera {
            let shape = [1, PLUCKER_CHANNELS, frames, height, width];
            tensors.push(("c2ws_plucker_emb".to_owned(), normal.tensor(&shape, 1.0)));
        }
        if let Some(width) = spec.image_dim {
            tensors.push(("clip_fea".to_owned(), normal.tensor(&[IMAGE_ROWS, width], 1.0)));
        }
        write_tensors(&path, &tensors)?;
    }
    Ok(path)
}

/// Writes f32 tensors as a safetensors file, atomically.
pub fn write_tensors(path: &Path, tensors: &[(String, HostTensor)]) -> io::Result<()> {
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), F32View(tensor)));
    let bytes = safetensors::serialize(views, None).map_err(io::Error::other)?;
    save::atomically(path, |out| out.write_all(&bytes))
}

fn key(what: &str, kind: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(format!("{GENERATION} {what}"));
    let short: String = format::hexadecimal(&hash[..8]);
    format!("{kind}-{short}")
}

/// A seeded stream of normal values; the same on every platform.
struct Normal(Pcg64Mcg);

impl Normal {
    fn new(seed: u64, stream: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed.wrapping_mul(2).wrapping_add(stream)))
    }

    fn tensor(&mut self, shape: &[usize], deviation: f32) -> HostTensor {
        let len = shape.iter().product();
        let data = (0..len).map(|_| -> f32 { StandardNormal.sample(&mut self.0) }).map(|v| v * deviation).collect();
        HostTensor { shape: shape.to_vec(), data }
    }

    /// Values that keep activations of order one through any depth.
    fn param(&mut self, param: &Param) -> HostTensor {
        match param.role {
            Role::Weight => {
                let fan_in: usize = param.shape[1..].iter().product();
                self.tensor(&param.shape, (fan_in as f32).sqrt().recip())
            }
            Role::Bias | Role::Modulation => self.tensor(&param.shape, 0.02),
            Role::Gain => {
                let mut gain = self.tensor(&param.shape, 0.02);
                gain.data.iter_mut().for_each(|value| *value += 1.0);
                gain
            }
        }
    }
}

struct F32View<'a>(&'a HostTensor);

impl View for F32View<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.0.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.0.data.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
    fn data_len(&self) -> usize {
        size_of_val(self.0.data.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wan::{Checkpoint, Inputs};

    #[test]
    fn seeded_data_is_a_valid_checkpoint_and_repeats() {
        let spec = Spec { dim: 64, ffn_dim: 64, num_heads: 2, num_layers: 1, text_dim: 64, ..Spec::synthetic() };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let value = |cache: &Path, seed| {
            let folder = checkpoint(cache, &spec, seed).unwrap();
            let opened = Checkpoint::open(&folder).unwrap();
            assert_eq!(opened.spec, spec);
            opened.tensor("blocks.0.ffn.2.weight").unwrap().to_f32().unwrap()
        };
        assert_eq!(value(one.path(), 7), value(two.path(), 7));
        assert_ne!(value(one.path(), 7), value(one.path(), 8));

        let path = inputs(one.path(), &spec, [2, 4, 6], 100, true, 7).unwrap();
        let inputs = Inputs::open(&path).unwrap();
        inputs.check(&spec).unwrap();
        assert_eq!(inputs.context.shape, [100, 64]);
    }
}
