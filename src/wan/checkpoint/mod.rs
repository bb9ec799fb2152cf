//! Reading checkpoints: memory-mapped safetensors, every name and shape checked before anything is loaded.

mod files;
mod names;
mod settings;

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;

use super::foreign;
use super::params::params;
use super::quantized::Manifest;
use super::reading::{CheckpointError, config_path};
use super::spec::Spec;
use super::tensor_file::{TensorFile, View, check};
use files::WeightFiles;
use settings::Settings;

/// A checkpoint: its architecture and its tensors, still on disk.
pub struct Checkpoint {
    /// The architecture, from `config.json` and the weights' shapes.
    pub spec: Spec,
    shards: Vec<TensorFile>,
    /// Where each tensor is, by Wan's name for it.
    home: BTreeMap<String, Home>,
}

/// Where a tensor is.
struct Home {
    shard: usize,
    /// Its name there.
    stored: String,
}

impl Checkpoint {
    /// Opens a checkpoint, a folder or a file of weights, and checks it against the architecture it declares.
    ///
    /// The same network may stand under Wan's, diffusers' or ComfyUI's names, in one file or in shards.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        if let Some(manifest) = Manifest::open(path)? {
            let quant = manifest.quant;
            let reason = format!(
                "holds weights quantized as {quant}: pass the checkpoint that they were made from, with --quant {quant}"
            );
            return Err(CheckpointError::Malformed { path: path.to_owned(), reason });
        }
        let (shards, home) = open_shards(path, &files::find(path)?)?;
        let mut checkpoint = Self { spec: Spec::synthetic(), shards, home };
        checkpoint.spec = checkpoint.read_spec(path)?;
        checkpoint.check(path)?;
        Ok(checkpoint)
    }

    /// The tensor of Wan's name `name`; every parameter of [`Self::spec`] is there once the checkpoint is open.
    pub fn tensor(&self, name: &str) -> Option<View<'_>> {
        self.home.get(name).and_then(|home| self.shards[home.shard].tensor(&home.stored))
    }

    /// The name under which a file holds the tensor of Wan's name `name`.
    pub fn stored_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.home.get(name).map_or(name, |home| &home.stored)
    }

    /// The files that hold the tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(TensorFile::path)
    }

    /// Bytes of those files.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(TensorFile::bytes).sum()
    }

    /// Bytes of the largest tensor as it is stored: what loading holds beside the model.
    pub fn largest_tensor_bytes(&self) -> u64 {
        let tensors = self.home.keys().filter_map(|name| self.tensor(name));
        tensors.map(|view| view.data.len() as u64).max().unwrap_or(0)
    }

    /// Gives the pages of the tensor `name` back to the system, once it was copied: mapped pages count to a process's
    /// peak on Linux, and the peak is gated. Reading the tensor again reads the file again.
    pub fn release(&self, name: &str) {
        if let Some(home) = self.home.get(name) {
            self.shards[home.shard].release(&home.stored);
        }
    }

    /// Joins `config.json` with what only the weights' shapes tell: patch size, text width, camera layers, and the rest
    /// where there is no such file.
    fn read_spec(&self, path: &Path) -> Result<Spec, CheckpointError> {
        let config = config_path(path);
        let declared = Settings::open(&config)?;
        let blamed = if declared.is_some() { config } else { path.to_owned() };
        let malformed = |reason: String| CheckpointError::Malformed { path: blamed.clone(), reason };
        let settings = declared.unwrap_or_default();
        let dtypes = self.home.keys().filter_map(|name| Some((name.as_str(), self.tensor(name)?.dtype)));
        if let Some(told) = foreign::network(settings.class.as_deref(), settings.model_type.as_deref(), dtypes) {
            return Err(CheckpointError::Malformed { path: path.to_owned(), reason: told });
        }
        if let Some(told) = settings.unsupported() {
            return Err(malformed(told));
        }
        // Where one of these weights is missing or of another rank, any sizes do: the check that follows lists it, with
        // all the others.
        let shape = |name: &str| self.tensor(name).map(|view| view.shape);
        let patch_size = match shape("patch_embedding.weight") {
            Some([_, _, time, height, width]) => [*time, *height, *width],
            _ => [1, 2, 2],
        };
        let blocks = self.home.keys().filter_map(|name| name.strip_prefix("blocks.")?.split('.').next()?.parse().ok());
        let blocks = blocks.max().map_or(0, |last: usize| last.saturating_add(1));
        let sizes = settings.sizes(shape, blocks, patch_size.iter().product()).map_err(malformed)?;
        if sizes.num_layers > self.home.len() {
            return Err(malformed(format!(
                "num_layers is {}, but the checkpoint has {} tensors in all: take config.json and weights of one release",
                sizes.num_layers,
                self.home.len()
            )));
        }
        let text_dim = match shape("text_embedding.0.weight") {
            Some([_, width]) => *width,
            _ => 4096,
        };
        let spec = Spec {
            model_type: sizes.model_type,
            patch_size,
            dim: sizes.dim,
            ffn_dim: sizes.ffn_dim,
            num_heads: sizes.num_heads,
            num_layers: sizes.num_layers,
            in_dim: sizes.in_dim,
            out_dim: sizes.out_dim,
            freq_dim: sizes.freq_dim,
            text_dim,
            text_len: sizes.text_len,
            eps: sizes.eps,
            camera: self.home.keys().any(|name| is_camera(name)),
            image_dim: self.home.keys().any(|name| is_image(name)).then(|| match shape("img_emb.proj.1.weight") {
                Some([_, width]) => *width,
                _ => 1280,
            }),
        };
        spec.validate().map_err(malformed)?;
        Ok(spec)
    }

    /// Compares names, shapes and dtypes with the parameter list.
    fn check(&self, path: &Path) -> Result<(), CheckpointError> {
        let floats = [Dtype::F32, Dtype::F16, Dtype::BF16];
        let expected = params(&self.spec).into_iter().map(|param| (param.name, param.shape, floats.to_vec()));
        check(path, self.home.keys().map(String::as_str), |name| self.tensor(name), expected)
    }
}

fn is_camera(name: &str) -> bool {
    ["wancamctrl", "c2ws_hidden_states", ".cam_"].iter().any(|part| name.contains(part))
}

fn is_image(name: &str) -> bool {
    ["img_emb.", ".k_img.", ".v_img.", ".norm_k_img."].iter().any(|part| name.contains(part))
}

/// Opens the files; maps each tensor, by Wan's name for it, to where it is.
fn open_shards(path: &Path, files: &WeightFiles) -> Result<(Vec<TensorFile>, BTreeMap<String, Home>), CheckpointError> {
    let shards = files.paths.iter().map(|path| TensorFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut by_stored: BTreeMap<String, usize> = BTreeMap::new();
    for (shard, file) in shards.iter().enumerate() {
        for name in file.names() {
            if let Some(other) = by_stored.insert(name.clone(), shard) {
                let [one, two] =
                    [other, shard].map(|shard| shards[shard].path().file_name().unwrap_or_default().display());
                let reason =
                    format!("the tensor {name:?} is in two files, {one} and {two}: download the checkpoint again");
                return Err(CheckpointError::Malformed { path: path.to_owned(), reason });
            }
        }
    }
    if let Some((index, weight_map)) = &files.index {
        let is_lost = |(name, file): &(&String, &String)| {
            let shard = by_stored.get(*name).map(|shard| shards[*shard].path());
            shard.and_then(Path::file_name) != Some(std::ffi::OsStr::new(file))
        };
        let mut lost = weight_map.iter().filter(is_lost);
        if let Some((name, file)) = lost.next() {
            let more = match lost.count() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let reason =
                format!("says that {name:?} is in {file}, where it is not{more}: download the checkpoint again");
            return Err(CheckpointError::Malformed { path: index.clone(), reason });
        }
    }
    let names = names::canonical(by_stored.keys().cloned().collect());
    let home = names.into_iter().map(|(name, stored)| (name, Home { shard: by_stored[&stored], stored })).collect();
    Ok((shards, home))
}

#[cfg(test)]
mod tests;
