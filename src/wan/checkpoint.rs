//! Reading checkpoints: memory-mapped safetensors, every name and shape checked before anything is loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::Dtype;
use serde::Deserialize;

use super::params::params;
use super::quantized::Manifest;
use super::reading::{CheckpointError, read_json};
use super::spec::{ModelType, Spec};
use super::tensor_file::{TensorFile, View, check};

/// A checkpoint folder: its architecture and its tensors, still on disk.
pub struct Checkpoint {
    /// The architecture, from `config.json` and the weights' shapes.
    pub spec: Spec,
    shards: Vec<TensorFile>,
    home: BTreeMap<String, usize>,
}

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
const INDEX: &str = "diffusion_pytorch_model.safetensors.index.json";

impl Checkpoint {
    /// Opens a checkpoint folder and checks it against the architecture it declares.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        if let Some(manifest) = Manifest::open(folder)? {
            let quant = manifest.quant;
            let reason = format!(
                "holds weights quantized as {quant}: pass the checkpoint that they were made from, with --quant {quant}"
            );
            return Err(CheckpointError::Malformed { path: folder.to_owned(), reason });
        }
        let (shards, home) = open_shards(folder)?;
        let mut checkpoint = Self { spec: Spec::synthetic(), shards, home };
        checkpoint.spec = checkpoint.read_spec(folder)?;
        checkpoint.check(folder)?;
        Ok(checkpoint)
    }

    /// The tensor `name`; every parameter of [`Self::spec`] is there once the checkpoint is open.
    pub fn tensor(&self, name: &str) -> Option<View<'_>> {
        self.home.get(name).and_then(|shard| self.shards[*shard].tensor(name))
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
        if let Some(shard) = self.home.get(name) {
            self.shards[*shard].release(name);
        }
    }

    /// Joins `config.json` with what only the weights' shapes tell: patch size, text width, camera layers.
    fn read_spec(&self, folder: &Path) -> Result<Spec, CheckpointError> {
        let path = folder.join("config.json");
        let config: Config = read_json(&path)?;
        let malformed = |reason: String| CheckpointError::Malformed { path: path.clone(), reason };
        // Where one of these weights is missing or of another rank, any sizes do: the check that follows lists it, with
        // all the others.
        let shape = |name: &str, usual: &[usize]| {
            let view = self.tensor(name).filter(|view| view.shape.len() == usual.len());
            view.map_or_else(|| usual.to_vec(), |view| view.shape.to_vec())
        };
        if config.num_layers > self.home.len() {
            return Err(malformed(format!(
                "num_layers is {}, but the checkpoint has {} tensors in all",
                config.num_layers,
                self.home.len()
            )));
        }
        let patch = shape("patch_embedding.weight", &[config.dim, config.in_dim, 1, 2, 2]);
        let text = shape("text_embedding.0.weight", &[config.dim, 4096]);
        let spec = Spec {
            model_type: config.model_type,
            patch_size: [patch[2], patch[3], patch[4]],
            dim: config.dim,
            ffn_dim: config.ffn_dim,
            num_heads: config.num_heads,
            num_layers: config.num_layers,
            in_dim: config.in_dim,
            out_dim: config.out_dim,
            freq_dim: config.freq_dim,
            text_dim: text[1],
            text_len: config.text_len,
            eps: config.eps,
            camera: self.home.keys().any(|name| is_camera(name)),
        };
        spec.validate().map_err(malformed)?;
        Ok(spec)
    }

    /// Compares names, shapes and dtypes with the parameter list; lists every difference.
    fn check(&self, folder: &Path) -> Result<(), CheckpointError> {
        let floats = [Dtype::F32, Dtype::F16, Dtype::BF16];
        let expected = params(&self.spec).into_iter().map(|param| (param.name, param.shape, floats.to_vec()));
        check(folder, self.home.keys().map(String::as_str), |name| self.tensor(name), expected)
    }
}

/// The diffusers-style `config.json`; keys that the network does not need are ignored, as upstream does.
#[derive(Deserialize)]
struct Config {
    model_type: ModelType,
    dim: usize,
    ffn_dim: usize,
    num_heads: usize,
    num_layers: usize,
    in_dim: usize,
    out_dim: usize,
    freq_dim: usize,
    text_len: usize,
    eps: f64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

fn is_camera(name: &str) -> bool {
    ["wancamctrl", "c2ws_hidden_states", ".cam_"].iter().any(|part| name.contains(part))
}

/// Opens the single weights file, or all shards of the index; maps each tensor to its shard.
fn open_shards(folder: &Path) -> Result<(Vec<TensorFile>, BTreeMap<String, usize>), CheckpointError> {
    let index_path = folder.join(INDEX);
    if !index_path.exists() {
        let file = TensorFile::open(&folder.join(WEIGHTS))?;
        let home = file.names().map(|name| (name, 0)).collect();
        return Ok((vec![file], home));
    }
    let index: Index = read_json(&index_path)?;
    let files: BTreeSet<&String> = index.weight_map.values().collect();
    let mut shards = Vec::new();
    let mut home = BTreeMap::new();
    for file in files {
        // A shard outside the folder would be a path from an untrusted file.
        if Path::new(file).file_name() != Some(std::ffi::OsStr::new(file)) {
            return Err(CheckpointError::Malformed {
                path: index_path,
                reason: format!("{file:?} is not a file name"),
            });
        }
        let shard = TensorFile::open(&folder.join(file))?;
        home.extend(shard.names().map(|name| (name, shards.len())));
        shards.push(shard);
    }
    let lost = index.weight_map.iter().filter(|(name, file)| {
        home.get(*name)
            .is_none_or(|shard: &usize| shards[*shard].path().file_name() != Some(std::ffi::OsStr::new(file)))
    });
    let differences: Vec<_> = lost.map(|(name, file)| format!("  missing: {name}, by the index in {file}")).collect();
    if !differences.is_empty() {
        return Err(CheckpointError::Mismatch { folder: folder.to_owned(), differences });
    }
    Ok((shards, home))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::wan::inputs::HostTensor;
    use crate::wan::synthetic;

    fn spec() -> Spec {
        Spec { dim: 64, ffn_dim: 64, num_heads: 2, num_layers: 1, text_dim: 64, ..Spec::synthetic() }
    }

    /// A checkpoint folder of `spec` whose tensors were changed.
    fn folder(spec: &Spec, change: impl FnOnce(&mut Vec<(String, HostTensor)>)) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let zeros = |shape: &[usize]| HostTensor { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] };
        let mut tensors = params(spec).into_iter().map(|param| (param.name, zeros(&param.shape))).collect();
        change(&mut tensors);
        synthetic::write_tensors(&folder.path().join(WEIGHTS), &tensors).unwrap();
        fs::write(folder.path().join("config.json"), serde_json::to_string(spec).unwrap()).unwrap();
        folder
    }

    fn error(folder: &tempfile::TempDir) -> String {
        Checkpoint::open(folder.path()).err().expect("the checkpoint is faulty").to_string()
    }

    #[test]
    fn every_difference_is_listed() {
        let folder = folder(&spec(), |tensors| {
            tensors.retain(|(name, _)| name != "blocks.0.ffn.0.bias" && name != "patch_embedding.weight");
            tensors.push(("blocks.7.ffn.0.bias".to_owned(), HostTensor { shape: vec![1], data: vec![0.0] }));
            let (_, head) = tensors.iter_mut().find(|(name, _)| name == "head.head.bias").unwrap();
            *head = HostTensor { shape: vec![2, 2], data: vec![0.0; 4] };
        });
        let error = error(&folder);
        for line in [
            "missing: blocks.0.ffn.0.bias",
            "missing: patch_embedding.weight",
            "extra: blocks.7.ffn.0.bias",
            "mis-shaped: head.head.bias is [2, 2], expected [32]",
        ] {
            assert!(error.contains(line), "{error}");
        }
        assert_eq!(error.lines().count(), 5, "{error}");
    }

    #[test]
    fn one_lost_camera_tensor_is_missing_and_no_camera_tensor_is_another_model() {
        let partly = folder(&spec(), |tensors| {
            tensors.retain(|(name, _)| name != "patch_embedding_wancamctrl.weight");
        });
        assert!(error(&partly).contains("missing: patch_embedding_wancamctrl.weight"));
        let without = Spec { camera: false, model_type: ModelType::T2v, patch_size: [2, 2, 1], ..spec() };
        assert_eq!(Checkpoint::open(folder(&without, |_| {}).path()).unwrap().spec, without);
    }

    #[test]
    fn a_truncated_file_is_no_checkpoint() {
        let folder = folder(&spec(), |_| {});
        let path = folder.path().join(WEIGHTS);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(error(&folder).contains("not a whole safetensors file"), "{}", error(&folder));
        fs::remove_file(&path).unwrap();
        assert!(error(&folder).contains("cannot read"));
    }

    #[test]
    fn a_tensor_that_the_index_promises_must_be_there() {
        let folder = folder(&spec(), |_| {});
        let index = |name: &str, file: &str| {
            fs::write(folder.path().join(INDEX), format!(r#"{{"weight_map": {{"{name}": "{file}"}}}}"#)).unwrap();
            error(&folder)
        };
        assert!(index("nowhere.weight", WEIGHTS).contains("missing: nowhere.weight, by the index in"));
        assert!(index("head.head.bias", "../other.safetensors").contains("is not a file name"));
        assert!(index("head.head.bias", "lost.safetensors").contains("cannot read"));
    }
}
