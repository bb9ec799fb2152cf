//! Which files of a folder hold the weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::text::escape::one_line;
use crate::wan::reading::{CheckpointError, read_json};

/// The name of a whole network's weights in Wan's and diffusers' releases.
pub const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

const EXTENSION: &str = "safetensors";
const INDEX: &str = ".safetensors.index.json";
/// Names that an error lists at most.
const MOST_NAMES: usize = 5;

/// The files with the weights, and what the index says of each tensor, if there is one.
pub struct WeightFiles {
    /// Where they are.
    pub paths: Vec<PathBuf>,
    /// The index, with the file of each tensor by its stored name.
    pub index: Option<(PathBuf, BTreeMap<String, String>)>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The weights of the checkpoint `path`, a folder or a file.
pub fn find(path: &Path) -> Result<WeightFiles, CheckpointError> {
    if path.is_file() {
        return Ok(WeightFiles { paths: vec![path.to_owned()], index: None });
    }
    if !path.is_dir() {
        let reason = "is neither a folder nor a file: name the folder with config.json and the weights".to_owned();
        return Err(CheckpointError::Malformed { path: path.to_owned(), reason });
    }
    let names = visible(path)?;
    let ending = |end: &str| names.iter().filter(|name| name.ends_with(end)).collect::<Vec<_>>();
    if let [index] = ending(INDEX)[..] {
        return by_index(path, index);
    }
    let whole = |name: &String| WeightFiles { paths: vec![path.join(name)], index: None };
    let weights = ending(&format!(".{EXTENSION}"));
    if let Some(usual) = weights.iter().find(|name| **name == WEIGHTS) {
        return Ok(whole(usual));
    }
    match weights[..] {
        [] => Err(no_weights(path, &names)),
        [only] if shard(only).is_none() => Ok(whole(only)),
        _ => by_names(path, &weights),
    }
}

/// The names in a folder, without hidden files: macOS leaves some beside every file on foreign disks.
fn visible(folder: &Path) -> Result<BTreeSet<String>, CheckpointError> {
    let read = |cause| CheckpointError::Read { path: folder.to_owned(), cause };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let name = entry.map_err(read)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

fn by_index(folder: &Path, name: &str) -> Result<WeightFiles, CheckpointError> {
    let path = folder.join(name);
    let Index { weight_map } = read_json(&path)?;
    let files: BTreeSet<&String> = weight_map.values().collect();
    let mut paths = Vec::new();
    for file in files {
        let malformed = |reason: String| CheckpointError::Malformed { path: path.clone(), reason };
        // A shard outside the folder would be a path from an untrusted file.
        if Path::new(file).file_name() != Some(std::ffi::OsStr::new(file)) {
            return Err(malformed(format!("{file:?} is not a file name")));
        }
        if !folder.join(file).exists() {
            return Err(malformed(format!("names the shard {file:?}, which is not there: download it again")));
        }
        paths.push(folder.join(file));
    }
    Ok(WeightFiles { paths, index: Some((path, weight_map)) })
}

/// The stem, number and count of a shard's name, `STEM-00001-of-00003.safetensors`.
fn shard(name: &str) -> Option<(&str, usize, usize)> {
    let (rest, count) = name.strip_suffix(EXTENSION)?.strip_suffix('.')?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    Some((stem, number.parse().ok()?, count.parse().ok()?))
}

/// Shards without an index: all of one stem must be there.
fn by_names(folder: &Path, names: &[&String]) -> Result<WeightFiles, CheckpointError> {
    let malformed = |reason: String| CheckpointError::Malformed { path: folder.to_owned(), reason };
    let shards: Option<Vec<_>> = names.iter().map(|name| shard(name)).collect();
    let sets: BTreeSet<(&str, usize)> = shards.iter().flatten().map(|(stem, _, count)| (*stem, *count)).collect();
    let (Some(shards), [(stem, count)]) = (shards, &sets.into_iter().collect::<Vec<_>>()[..]) else {
        return Err(malformed(format!(
            "holds several files of weights and no index that joins them: {}: pass the one to use, or leave the others out",
            listed(names)
        )));
    };
    let numbers: BTreeSet<usize> = shards.iter().map(|(_, number, _)| *number).collect();
    match (1..=*count).find(|number| !numbers.contains(number)) {
        Some(missing) => Err(malformed(format!(
            "lacks shard {missing} of the {count} whose names begin with {stem:?}: download it again"
        ))),
        None => Ok(WeightFiles { paths: names.iter().map(|name| folder.join(name)).collect(), index: None }),
    }
}

fn no_weights(folder: &Path, names: &BTreeSet<String>) -> CheckpointError {
    let is_other = |name: &&String| {
        let extension = Path::new(name.as_str()).extension().unwrap_or_default().to_string_lossy().to_lowercase();
        ["bin", "pt", "pth", "ckpt", "gguf", "onnx", "h5", "npz", "msgpack"].contains(&extension.as_str())
    };
    let others: Vec<&String> = names.iter().filter(is_other).collect();
    let is_cache = names.iter().any(|name| name.starts_with("models--") || name == "snapshots");
    let reason = match others[..] {
        _ if is_cache => {
            "is a download cache: name the folder in it that has config.json, under `snapshots`".to_owned()
        }
        [] => {
            "holds no weights: name the folder of the network, with config.json and the .safetensors files".to_owned()
        }
        _ => format!(
            "holds no .safetensors file, the form that is read, but {}: take the release in safetensors, or convert it",
            listed(&others)
        ),
    };
    CheckpointError::Malformed { path: folder.to_owned(), reason }
}

/// Names on one line, some of them where there are many.
pub fn listed(names: &[&String]) -> String {
    let shown: Vec<String> = names.iter().take(MOST_NAMES).map(|name| one_line(name)).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
