//! One memory-mapped safetensors file, and whether it holds what it must.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, MmapMut, UncheckedAdvice};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};

use super::foreign;
use super::reading::CheckpointError;
use crate::files;

/// Bytes by which a file of another kind is known.
const LONGEST_HEAD: usize = 64;

/// One memory-mapped safetensors file.
pub struct TensorFile {
    path: PathBuf,
    map: Mmap,
    metadata: Metadata,
    data_start: usize,
}

/// A tensor in a mapped file: row-major, little-endian.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Element type.
    pub dtype: Dtype,
    /// Extents.
    pub shape: &'a [usize],
    /// The bytes.
    pub data: &'a [u8],
}

impl TensorFile {
    /// Maps `path` and reads its header; a truncated file is an error.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::open_within(path, u64::MAX, u64::MAX)
    }

    /// The same of a file of so many bytes at most, of which the header takes `most_header_bytes` at most: a larger one is
    /// refused before it is read.
    pub fn open_within(path: &Path, most_bytes: u64, most_header_bytes: u64) -> Result<Self, CheckpointError> {
        let read = |cause| CheckpointError::Read { path: path.to_owned(), cause };
        let file = files::read::open(path).map_err(read)?;
        // SAFETY: a checkpoint that another process rewrites while it is read would change under us; checkpoints
        // are immutable by convention, and every user of safetensors maps them so.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let header = map.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
        for (what, bytes, most) in [("it", map.len() as u64, most_bytes), ("its header", header, most_header_bytes)] {
            if bytes > most {
                let reason = format!("{what} has {bytes} bytes, more than {most}");
                return Err(CheckpointError::Malformed { path: path.to_owned(), reason });
            }
        }
        Self::of(map, path)
    }

    /// Reads the bytes of such a file; `path` is for messages.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let read = |cause| CheckpointError::Read { path: path.to_owned(), cause };
        // No mapping is empty.
        let mut map = MmapMut::map_anon(bytes.len().max(1)).map_err(read)?;
        map[..bytes.len()].copy_from_slice(bytes);
        Self::of(map.make_read_only().map_err(read)?, path)
    }

    fn of(map: Mmap, path: &Path) -> Result<Self, CheckpointError> {
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| CheckpointError::Malformed {
            path: path.to_owned(),
            reason: foreign::file(&map[..map.len().min(LONGEST_HEAD)]).map_or_else(
                || {
                    format!(
                        "not a whole safetensors file ({error}): it broke off, or is of another kind; download it again"
                    )
                },
                str::to_owned,
            ),
        })?;
        Ok(Self { path: path.to_owned(), map, metadata, data_start: header + 8 })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.metadata.tensors().into_keys()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Compares the tensors with what must be there, names, shapes and dtypes; an error lists every difference, and names
    /// `folder`.
    pub fn check(&self, folder: &Path, expected: Vec<Expected>) -> Result<(), CheckpointError> {
        let names: Vec<String> = self.names().collect();
        check(folder, names.iter().map(String::as_str), |name| self.tensor(name), expected)
    }

    /// Gives the pages of the tensor `name` back to the system; reading it again reads the file again.
    pub fn release(&self, name: &str) {
        let Some(info) = self.metadata.info(name) else { return };
        let (start, end) = info.data_offsets;
        // SAFETY: the mapping is of a file and read-only, so dropped pages come back with the same bytes.
        let advised =
            unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, self.data_start + start, end - start) };
        // An advice that the system does not take costs memory, nothing else.
        let _ = advised;
    }

    /// The tensor `name`.
    pub fn tensor(&self, name: &str) -> Option<View<'_>> {
        let info = self.metadata.info(name)?;
        let (start, end) = info.data_offsets;
        let data = &self.map[self.data_start + start..self.data_start + end];
        Some(View { dtype: info.dtype, shape: &info.shape, data })
    }
}

impl View<'_> {
    /// The elements as f32; `None` for a dtype that is neither a float nor a signed integer, as a timestep may be.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let bytes = self.data;
        Some(match self.dtype {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
            Dtype::I32 => bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
            Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            _ => return None,
        })
    }
}

/// What a tensor must be: its name, its shape, the dtypes it may have.
pub type Expected = (String, Vec<usize>, Vec<Dtype>);

/// Compares what is there with what must be; lists every difference.
pub(super) fn check<'a>(
    folder: &Path,
    names: impl Iterator<Item = &'a str>,
    tensor: impl Fn(&str) -> Option<View<'a>>,
    expected: impl IntoIterator<Item = Expected>,
) -> Result<(), CheckpointError> {
    let mut differences = Vec::new();
    let mut extra: BTreeSet<&str> = names.collect();
    for (name, shape, dtypes) in expected {
        extra.remove(name.as_str());
        match tensor(&name) {
            None => differences.push(format!("missing: {name}")),
            Some(view) if view.shape != shape => {
                differences.push(format!("mis-shaped: {name} is {:?}, expected {shape:?}", view.shape));
            }
            Some(view) if !dtypes.contains(&view.dtype) => {
                let dtypes: Vec<String> = dtypes.iter().map(|dtype| format!("{dtype:?}")).collect();
                differences.push(format!("wrong dtype: {name} is {:?}, expected {}", view.dtype, dtypes.join(" or ")));
            }
            Some(_) => {}
        }
    }
    differences.extend(extra.iter().map(|name| format!("extra: {name}")));
    if differences.is_empty() {
        return Ok(());
    }
    Err(CheckpointError::Mismatch { folder: folder.to_owned(), differences })
}
