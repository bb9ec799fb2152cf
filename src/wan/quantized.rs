//! Checkpoints quantized beforehand: one safetensors file, and a JSON of the mode and of what it was made of.
//!
//! A packed weight `NAME.weight` stands as `NAME.weight` (u32), `NAME.scales` and, in affine mode, `NAME.biases`; every
//! other tensor as in the source, in the dtype that was asked for. That is how MLX's own tools write such files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::params::{Param, params};
use super::quant::Layout;
use super::reading::{CheckpointError, config_path, parse_json, read_text};
use super::tensor_file::TensorFile;
use super::{DType, Quant, Spec};
use crate::text::format;

/// Schema version of the manifest.
pub const SCHEMA: u32 = 1;

/// The manifest's file.
pub const MANIFEST: &str = "quantization.json";

/// The weights' file.
pub const WEIGHTS: &str = "model.safetensors";

/// A quantized checkpoint, checked against the model, its tensors still on disk.
pub struct Quantized {
    /// What it is, and of what.
    pub manifest: Manifest,
    /// Its weights' file.
    pub weights: PathBuf,
    /// Bytes of that file.
    pub bytes: u64,
}

/// What a quantized checkpoint is, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The quantization as it was asked for.
    pub quant: Quant,
    /// MLX's name of the mode.
    pub mode: String,
    /// Bits of one weight.
    pub bits: usize,
    /// Consecutive input weights that share a scale.
    pub group_size: usize,
    /// Of everything that is not packed.
    pub dtype: DType,
    /// [`fingerprint`] of the source.
    pub source: String,
    /// Versions of what quantized it, by name.
    pub versions: BTreeMap<String, String>,
}

impl Manifest {
    /// The manifest of what `versions` made as `quant`, whose layout is `layout`, of the source with that fingerprint.
    pub fn new(quant: Quant, layout: Layout, dtype: DType, source: String, versions: BTreeMap<String, String>) -> Self {
        let Layout { mode, bits, group_size } = layout;
        Self { schema: SCHEMA, quant, mode: mode.to_owned(), bits, group_size, dtype, source, versions }
    }

    /// Reads the manifest in `folder`; `None` where there is none.
    pub fn open(folder: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = folder.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        Self::parse(&read_text(&path)?, &path).map(Some)
    }

    /// Reads the text of a manifest; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, CheckpointError> {
        let manifest: Self = parse_json(text, path)?;
        if manifest.schema != SCHEMA {
            let reason =
                format!("written with schema {}, this wanbench reads {SCHEMA}: quantize again", manifest.schema);
            return Err(CheckpointError::Malformed { path: path.to_owned(), reason });
        }
        Ok(manifest)
    }

    /// Whether it is packed as `layout` says, with the rest as `dtype`.
    pub fn is_of(&self, layout: Layout, dtype: DType) -> bool {
        (self.mode.as_str(), self.bits, self.group_size, self.dtype)
            == (layout.mode, layout.bits, layout.group_size, dtype)
    }
}

impl Quantized {
    /// Opens the quantized checkpoint in `folder`, of the model `spec`; every name, shape and dtype is checked.
    pub fn open(folder: &Path, spec: &Spec) -> Result<Self, CheckpointError> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let manifest = Manifest::open(folder)?
            .ok_or_else(|| CheckpointError::Read { path: folder.join(MANIFEST), cause: missing() })?;
        let layout = manifest.quant.layout().filter(|layout| manifest.is_of(*layout, manifest.dtype));
        let layout = layout.ok_or_else(|| CheckpointError::Malformed {
            path: folder.join(MANIFEST),
            reason: format!("its mode is none of {}: quantize again", manifest.quant),
        })?;
        let weights = folder.join(WEIGHTS);
        let file = TensorFile::open(&weights)?;
        file.check(folder, tensors(spec, layout, manifest.dtype))?;
        Ok(Self { manifest, weights, bytes: file.bytes() })
    }
}

/// The folder of a checkpoint with that fingerprint, quantized, in `cache`: a link where it was saved elsewhere.
pub fn cached(cache: &Path, fingerprint: &str, layout: Layout, dtype: DType) -> PathBuf {
    let short = fingerprint.get(..16).unwrap_or(fingerprint);
    cache.join("quantized").join(format!("{short}-{}-{}bit-{dtype}", layout.mode, layout.bits))
}

/// What tells one state of a checkpoint, a folder or a file, from another without reading its weights: SHA-256, in hexadecimal, of the
/// names, sizes and times of change of its files.
pub fn fingerprint(folder: &Path) -> Result<String, CheckpointError> {
    let read = |cause| CheckpointError::Read { path: folder.to_owned(), cause };
    let mut paths = vec![folder.to_owned(), config_path(folder)];
    if folder.is_dir() {
        let entries = std::fs::read_dir(folder).map_err(read)?.map(|entry| entry.map(|entry| entry.path()));
        paths = entries.collect::<Result<_, _>>().map_err(read)?;
    }
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !(name.ends_with(".safetensors") || name.ends_with(".json")) || !path.exists() {
            continue;
        }
        // Through links: downloads are often links into a shared store.
        let metadata = std::fs::metadata(&path).map_err(read)?;
        let changed = metadata.modified().map_err(read)?;
        let nanoseconds = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        files.push(format!("{name}\0{}\0{nanoseconds}\n", metadata.len()));
    }
    files.sort();
    Ok(format::hexadecimal(Sha256::digest(files.concat())))
}

/// Names, shapes and dtypes of what a quantized checkpoint of `spec` holds.
pub fn tensors(spec: &Spec, layout: Layout, dtype: DType) -> Vec<(String, Vec<usize>, Vec<Dtype>)> {
    let plain = match dtype {
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::Bf16 => Dtype::BF16,
    };
    let mut tensors = Vec::new();
    for param in params(spec) {
        if !param.is_quantizable() {
            tensors.push((param.name, param.shape, vec![plain]));
            continue;
        }
        let (rows, width) = (param.shape[0], param.shape[1]);
        let [weight, scales, biases] = packed_names(&param);
        tensors.push((weight, vec![rows, width * layout.bits / 32], vec![Dtype::U32]));
        let groups = vec![rows, width / layout.group_size];
        if layout.has_biases() {
            tensors.push((biases, groups.clone(), vec![plain]));
            tensors.push((scales, groups, vec![plain]));
        } else {
            tensors.push((scales, groups, vec![Dtype::U8]));
        }
    }
    tensors
}

/// The names under which a packed weight's integers, scales and biases stand.
pub fn packed_names(param: &Param) -> [String; 3] {
    let layer = param.name.strip_suffix(".weight").unwrap_or(&param.name);
    [param.name.clone(), format!("{layer}.scales"), format!("{layer}.biases")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wan::quant::model_bytes;

    #[test]
    fn the_tensors_take_the_bytes_that_are_gated() {
        let spec = Spec::synthetic();
        for quant in Quant::ALL {
            let Some(layout) = quant.layout() else { continue };
            for dtype in DType::ALL {
                let bytes: usize = tensors(&spec, layout, dtype)
                    .iter()
                    .map(|(_, shape, dtypes)| shape.iter().product::<usize>() * dtypes[0].bitsize() / 8)
                    .sum();
                assert_eq!(bytes as u64, model_bytes(&spec, quant, dtype), "{quant} {dtype}");
            }
        }
    }

    #[test]
    fn a_touched_or_added_file_is_another_source() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("config.json", "{}");
        write("a.safetensors", "weights");
        let before = fingerprint(folder.path()).unwrap();
        assert_eq!(before, fingerprint(folder.path()).unwrap());
        write("README.md", "words");
        assert_eq!(before, fingerprint(folder.path()).unwrap());
        let file = std::fs::File::options().write(true).open(folder.path().join("a.safetensors")).unwrap();
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
        let touched = fingerprint(folder.path()).unwrap();
        assert_ne!(before, touched);
        write("b.safetensors", "");
        assert_ne!(touched, fingerprint(folder.path()).unwrap());
    }

    #[test]
    fn nf4_and_int4_are_one_file() {
        let of = |quant: Quant| cached(Path::new("c"), "0123456789abcdef01", quant.layout().unwrap(), DType::F32);
        assert_eq!(of(Quant::Nf4), of(Quant::Int4));
        assert_eq!(of(Quant::Int8), Path::new("c/quantized/0123456789abcdef-affine-8bit-f32"));
    }
}
