//! Timing denoising steps.

use std::io;
use std::sync::mpsc::Receiver;

use anyhow::{Context, Result, bail, ensure};

use super::clock::timed;
use super::wire::Wire;
use super::{Backend, LoadingProgress, loading};
use crate::protocol::{Event, Measure, Request, Step, Switched, Turn, Warmed};
use crate::stats;
use crate::wan::inputs::HostTensor;
use crate::wan::{Inputs, schedule};

/// Warms up, then times each step, when its turn comes; returns the final latent.
pub fn time_steps<B: Backend>(
    backend: &mut B,
    measure: &Measure,
    turns: &Receiver<Turn>,
    wire: &mut Wire,
) -> Result<HostTensor> {
    ensure!(measure.sigmas.len() >= 2, "a measurement needs at least one step, so at least two sigmas");
    let second = measure.second.as_ref();
    let extra_work = measure.extra_work.unwrap_or(0.0);
    let shared = loading::load(backend, &measure.job, &timesteps(measure), second, extra_work, wire)?;

    let mut seconds = warm_up(backend, measure.warmup_steps)?;
    if second.is_some_and(|second| second.is_resident) {
        backend.switch()?;
        seconds += warm_up(backend, measure.warmup_steps)?;
        backend.switch()?;
    }
    wire.send(&Event::Warmed(Warmed { seconds }))?;

    for (index, sigma) in measure.sigmas.windows(2).enumerate() {
        turns.recv().context("no turn came for the next step")?;
        if let Some(second) = second.filter(|second| second.from_step == index) {
            let seconds = timed(backend, |backend| shared.switch(backend, second, wire))?;
            wire.send(&Event::Switched(Switched { seconds }))?;
        }
        let wake_seconds = measure.wake.then(|| pass(backend, index)).transpose()?;
        let seconds = step(backend, index, sigma)?;
        wire.send(&Event::Step(Step { index, seconds, wake_seconds }))?;
    }
    backend.latent()
}

/// The same steps as a program without a harness would run them: no events, no thread, nothing between the steps.
///
/// Reads a `measure` request of one network from standard input; returns the median step in seconds. `make bench`
/// compares it with what the protocol reports, to show that the harness costs nothing.
pub fn plain_loop<B: Backend>() -> Result<f64> {
    let Request::Measure(measure) = serde_json::from_reader(io::stdin().lock())? else {
        bail!("plain-loop takes a measure request");
    };
    let job = &measure.job;
    let source = loading::open(&job.checkpoint, job.quantized.as_deref(), job.quant, job.dtype)?;
    let inputs = Inputs::open(&job.inputs)?;
    let mut backend = B::open(job.device)?;
    backend.load(&source, &mut LoadingProgress::unheard())?;
    backend.prepare(&inputs, &timesteps(&measure))?;
    warm_up(&mut backend, measure.warmup_steps)?;
    Ok(stats::median(&plain_steps(&mut backend, &measure.sigmas)?))
}

/// Seconds of each step over `sigmas`.
pub fn plain_steps<B: Backend>(backend: &mut B, sigmas: &[f32]) -> Result<Vec<f64>> {
    sigmas.windows(2).enumerate().map(|(index, sigma)| step(backend, index, sigma)).collect()
}

/// The step of so many before it, from the first noise level of `sigma` to the second: seconds of the forward pass, without the
/// Euler update.
fn step<B: Backend>(backend: &mut B, index: usize, sigma: &[f32]) -> Result<f64> {
    let seconds = pass(backend, index)?;
    backend.advance(sigma[1] - sigma[0])?;
    backend.synchronize()?;
    Ok(seconds)
}

/// So many forward passes at the first timestep: their seconds together.
pub fn warm_up<B: Backend>(backend: &mut B, passes: u32) -> Result<f64> {
    (0..passes).try_fold(0.0, |seconds, _| Ok(seconds + pass(backend, 0)?))
}

/// Seconds of a forward pass at the timestep of so many before it.
pub fn pass<B: Backend>(backend: &mut B, timestep: usize) -> Result<f64> {
    timed(backend, |backend| backend.forward(timestep))
}

/// Where the steps are.
fn timesteps(measure: &Measure) -> Vec<f32> {
    measure.sigmas.iter().map(|sigma| schedule::timestep(*sigma)).collect()
}
