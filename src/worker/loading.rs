//! Loading: the network's weights and inputs, from the files that a job names.

use std::path::Path;

use anyhow::{Result, anyhow, ensure};

use super::clock::{now, seconds_since};
use super::progress::LoadingProgress;
use super::wire::Wire;
use super::{Backend, Source};
use crate::protocol::{Event, Job, Loaded, Second};
use crate::wan::{Checkpoint, DType, Inputs, Quant, Quantized, work};
use crate::worker::memory;

/// Loads what `job` names for passes at `timesteps`, and beside it the second network where it is to be resident; tells
/// `loaded`.
pub fn load<B: Backend>(
    backend: &mut B,
    job: &Job,
    timesteps: &[f32],
    second: Option<&Second>,
    extra_work: f64,
    wire: &mut Wire,
) -> Result<Shared> {
    let start = now();
    let first = open(&job.checkpoint, job.quantized.as_deref(), job.quant, job.dtype)?;
    let beside = second.filter(|second| second.is_resident).map(|second| open_second(second, &first)).transpose()?;
    let mut inputs = Inputs::open(&job.inputs)?;
    inputs.check(&first.checkpoint.spec).map_err(|reason| anyhow!("{}: {reason}", job.inputs.display()))?;
    let camera = inputs.camera.is_some();
    inputs.rows_in_vain = work::text_rows(&first.checkpoint.spec, inputs.latent(), camera, extra_work);
    let mut loading = LoadingProgress::new(wire, bytes(&first) + beside.as_ref().map_or(0, bytes));
    let mut model_bytes = backend.load(&first, &mut loading)?;
    if let Some(beside) = &beside {
        model_bytes += backend.load(beside, &mut loading)?;
    }
    let quantize_seconds = loading.quantize_seconds();
    backend.prepare(&inputs, timesteps)?;
    backend.synchronize()?;
    let seconds = seconds_since(start);
    let process_peak_bytes = memory::process_peak_bytes();
    backend.reset_peak()?;
    wire.send(&Event::Loaded(Loaded { model_bytes, seconds, quantize_seconds, process_peak_bytes }))?;
    Ok(Shared { first })
}

/// Loads the weights alone, to be saved; tells `loaded`.
pub fn load_weights<B: Backend>(
    backend: &mut B,
    checkpoint: &Path,
    quant: Quant,
    dtype: DType,
    wire: &mut Wire,
) -> Result<()> {
    let start = now();
    let source = open(checkpoint, None, quant, dtype)?;
    let mut loading = LoadingProgress::new(wire, bytes(&source));
    let model_bytes = backend.load(&source, &mut loading)?;
    let quantize_seconds = loading.quantize_seconds();
    wire.send(&Event::Loaded(Loaded {
        model_bytes,
        seconds: seconds_since(start),
        quantize_seconds,
        process_peak_bytes: memory::process_peak_bytes(),
    }))
}

/// What both networks of a run have in common, once the first is loaded.
pub struct Shared {
    first: Source,
}

impl Shared {
    /// Puts the second network into use: one that is there already, or one that is loaded once the first is gone. Its weights
    /// may be on their way still.
    pub fn switch<B: Backend>(&self, backend: &mut B, second: &Second, wire: &mut Wire) -> Result<()> {
        if second.is_resident {
            backend.switch()?;
        } else {
            let source = open_second(second, &self.first)?;
            backend.unload()?;
            backend.load(&source, &mut LoadingProgress::new(wire, bytes(&source)))?;
        }
        Ok(())
    }
}

/// Opens a checkpoint, and the quantized one of the same weights where one is named; both are checked.
pub fn open(checkpoint: &Path, quantized: Option<&Path>, quant: Quant, dtype: DType) -> Result<Source> {
    let checkpoint = Checkpoint::open(checkpoint)?;
    let quantized = quantized.map(|folder| Quantized::open(folder, &checkpoint.spec)).transpose()?;
    if let Some(quantized) = &quantized {
        let is_of = quant.layout().is_some_and(|layout| quantized.manifest.is_of(layout, dtype));
        ensure!(is_of, "{} is not quantized as {quant} in {dtype}", quantized.weights.display());
    }
    Ok(Source { checkpoint, quantized, quant, dtype })
}

fn open_second(second: &Second, first: &Source) -> Result<Source> {
    let source = open(&second.checkpoint, second.quantized.as_deref(), first.quant, first.dtype)?;
    ensure!(
        source.checkpoint.spec == first.checkpoint.spec,
        "{} is of another architecture than the first network",
        second.checkpoint.display()
    );
    Ok(source)
}

/// Bytes that loading reads.
fn bytes(source: &Source) -> u64 {
    source.quantized.as_ref().map_or_else(|| source.checkpoint.bytes(), |quantized| quantized.bytes)
}
