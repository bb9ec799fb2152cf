//! Weights from files and to them, one tensor at a time.
//!
//! MLX's own loader hands out arrays that read the file once they are evaluated: nothing is held that is not wanted yet, and
//! nothing is mapped. So beside the finished weights only one parameter is ever in memory in another form.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use mlx_rs::ops::indexing::TryIndexOp;
use mlx_rs::{Array, memory, ops};
use wanbench::wan::params::{Param, params};
use wanbench::wan::quant::Layout;
use wanbench::wan::quantized::packed_names;
use wanbench::wan::{Quantized, Spec};
use wanbench::worker::{LoadingProgress, Source, Unsupported, say};

use crate::hardware::Hardware;
use crate::native::{self, Packed};
use crate::packing;
use crate::stacks::{self, Place};
use crate::weights::{Index, Slot, Weights, mlx_dtype};

impl Weights {
    /// Reads each parameter, casts it and quantizes it, one after the other; or reads it quantized, where a file holds it
    /// so.
    pub fn load(source: &Source, hardware: Hardware, loading: &mut LoadingProgress) -> Result<Self> {
        let _uncached = Uncached::begin()?;
        let spec = &source.checkpoint.spec;
        let quantized = source.quantized.as_ref().filter(|quantized| is_current(quantized));
        let index = Index::new(source.quant.layout(), hardware, mlx_dtype(source.dtype));
        if let Some(layout) = index.layout {
            check_groups(spec, layout)?;
        }
        let stored = match quantized {
            Some(quantized) => stored([quantized.weights.as_path()]),
            None => stored(source.checkpoint.files()),
        };
        let mut loader = Loader {
            stored: stored?,
            source: quantized.is_none().then_some(source),
            loading,
            arrays: Vec::new(),
            index,
        };
        for param in params(spec) {
            loader.add(&param).with_context(|| format!("cannot load {}", param.name))?;
        }
        Ok(Self { spec: spec.clone(), arrays: loader.arrays, index: Rc::new(loader.index) })
    }

    /// Writes them as [`wanbench::wan::quantized`] describes it.
    pub fn save(&self, path: &Path) -> Result<()> {
        if self.index.layout.is_none() {
            let message = "weights can only be saved quantized: choose a quantization other than none";
            return Err(Unsupported(message.to_owned()).into());
        }
        let bound = self.bound();
        let mut named = Vec::new();
        for param in params(&self.spec) {
            let place = stacks::place(&param.name);
            let own = |array: &Array| place.as_ref().map_or(Ok(array.clone()), |place| part(array, place));
            let stored_as = place.as_ref().map_or(&param.name, |place| &place.stack);
            match self.index.slot(stored_as)? {
                Slot::Plain(slot) => named.push((param.name, own(bound.array(*slot)?)?)),
                Slot::Packed(slots) => {
                    let packed = bound.packed(slots)?;
                    let [weight, scales, biases] = packed_names(&param);
                    named.extend([(weight, own(packed.weight)?), (scales, own(packed.scales)?)]);
                    named.extend(packed.biases.map(|array| anyhow::Ok((biases, own(array)?))).transpose()?);
                }
            }
        }
        Array::save_safetensors(named, None, path).context("MLX cannot write the weights")
    }
}

/// Weights that grow parameter by parameter.
struct Loader<'a, 'b> {
    /// What is still in the files, by its name there.
    stored: HashMap<String, Array>,
    /// Whose files they are; `None` where they hold it quantized.
    source: Option<&'a Source>,
    loading: &'a mut LoadingProgress<'b>,
    arrays: Vec<Array>,
    index: Index,
}

impl Loader<'_, '_> {
    /// Adds a parameter; with the first of a stack, the whole of it.
    fn add(&mut self, param: &Param) -> Result<()> {
        let (name, parts) = match stacks::place(&param.name) {
            None => (param.name.clone(), vec![param.clone()]),
            Some(place) if place.index > 0 => return Ok(()),
            Some(place) => {
                let part = |name: String| Param { name, ..param.clone() };
                (place.stack, place.parts.into_iter().map(part).collect())
            }
        };
        let slot = match self.index.layout.filter(|_| param.is_quantizable()) {
            None => {
                let array = self.read_stacked(&parts)?;
                Slot::Plain(self.push(array))
            }
            Some(layout) => {
                let packed = match self.source {
                    None => self.read_packed(&parts, layout)?,
                    Some(_) => {
                        let array = self.read_stacked(&parts)?;
                        self.loading.quantizing(|| packing::pack(&array, layout, self.index.hardware))?
                    }
                };
                Slot::Packed(Packed {
                    weight: self.push(packed.weight),
                    scales: self.push(packed.scales),
                    biases: packed.biases.map(|biases| self.push(biases)),
                })
            }
        };
        self.index.insert(name, slot);
        Ok(())
    }

    fn push(&mut self, array: Array) -> usize {
        self.arrays.push(array);
        self.arrays.len() - 1
    }

    /// The rows of all `parts`, cast.
    fn read_stacked(&mut self, parts: &[Param]) -> Result<Array> {
        stack(parts.iter().map(|part| self.read_as_dtype(&part.name)).collect::<Result<_>>()?)
    }

    /// The rows of all `parts`, as they are quantized in the file.
    fn read_packed(&mut self, parts: &[Param], layout: Layout) -> Result<Packed<Array>> {
        let names: Vec<[String; 3]> = parts.iter().map(packed_names).collect();
        let mut read = |of: usize| stack(names.iter().map(|names| self.read(&names[of])).collect::<Result<_>>()?);
        Ok(Packed { weight: read(0)?, scales: read(1)?, biases: layout.has_biases().then(|| read(2)).transpose()? })
    }

    /// The tensor `name`; the array of its stored dtype is gone when this returns.
    fn read_as_dtype(&mut self, name: &str) -> Result<Array> {
        let array = self.read(name)?.as_dtype(self.index.dtype)?;
        array.eval()?;
        Ok(array)
    }

    /// The tensor `name` as it is stored.
    fn read(&mut self, name: &str) -> Result<Array> {
        let stored = self.source.map_or(name, |source| source.checkpoint.stored_name(name));
        let array = self.stored.remove(stored).with_context(|| format!("the files do not hold {name}"))?;
        array.eval()?;
        self.loading.read(array.nbytes() as u64)?;
        Ok(array)
    }
}

/// One array of the rows of all `parts`, which are gone when this returns.
fn stack(parts: Vec<Array>) -> Result<Array> {
    let [_, _, ..] = parts.as_slice() else { return parts.into_iter().next().context("a stack without parts") };
    let stack = ops::concatenate(&parts, 0)?;
    stack.eval()?;
    Ok(stack)
}

/// The rows of the parameter at `place` within its stack.
fn part(stack: &Array, place: &Place) -> Result<Array> {
    let rows = stack.shape()[0] / place.parts.len() as i32;
    let first = rows * place.index as i32;
    Ok(stack.try_index(first..first + rows)?)
}

/// While it lives, MLX returns what it freed to the system at once: on unified memory the source tensors that it keeps for
/// reuse would count as the process's.
struct Uncached {
    limit: usize,
}

impl Uncached {
    fn begin() -> Result<Self> {
        let limit = memory::set_cache_limit(0).context("cannot set the limit of MLX's buffer cache")?;
        Ok(Self { limit })
    }
}

impl Drop for Uncached {
    fn drop(&mut self) {
        // It was set once already, so it can be set.
        let _ = memory::set_cache_limit(self.limit);
    }
}

/// The files' tensors, none of them read yet.
fn stored<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<HashMap<String, Array>> {
    let mut stored = HashMap::new();
    for file in files {
        let tensors = Array::load_safetensors(file);
        stored.extend(tensors.with_context(|| format!("MLX cannot read {}", file.display()))?);
    }
    Ok(stored)
}

/// Whether this very MLX quantized it: another may quantize otherwise.
fn is_current(quantized: &Quantized) -> bool {
    let ours = native::version().ok();
    let theirs = quantized.manifest.versions.get("mlx");
    let is_current = ours.is_some() && ours.as_ref() == theirs;
    if !is_current {
        let name = |version: Option<&String>| version.map_or_else(|| "an unknown version".to_owned(), String::clone);
        say(&format!(
            "wanbench-mlx: {} was saved by MLX {}, this is {}: quantizing the checkpoint again",
            quantized.weights.display(),
            name(theirs),
            name(ours.as_ref())
        ));
    }
    is_current
}

fn check_groups(spec: &Spec, layout: Layout) -> Result<(), Unsupported> {
    let Layout { mode, group_size, .. } = layout;
    let widths = params(spec).into_iter().filter(Param::is_quantizable).filter_map(|param| param.shape.last().copied());
    match widths.into_iter().find(|width| !width.is_multiple_of(group_size)) {
        None => Ok(()),
        Some(width) => Err(Unsupported(format!(
            "rows of {width} weights do not divide into {mode}'s groups of {group_size}: use quant none"
        ))),
    }
}
