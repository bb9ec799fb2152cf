//! Timing denoising steps.

use std::io;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

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

    let start = Instant::now();
    warm_up(backend, measure)?;
    if second.is_some_and(|second| second.is_resident) {
        backend.switch()?;
        warm_up(backend, measure)?;
        backend.switch()?;
    }
    wire.send(&Event::Warmed(Warmed { seconds: start.elapsed().as_secs_f64() }))?;

    for (index, sigma) in measure.sigmas.windows(2).enumerate() {
        turns.recv().context("no turn came for the next step")?;
        if let Some(second) = second.filter(|second| second.from_step == index) {
            let start = Instant::now();
            shared.switch(backend, second, wire)?;
            wire.send(&Event::Switched(Switched { seconds: start.elapsed().as_secs_f64() }))?;
        }
        let start = Instant::now();
        backend.forward(index)?;
        backend.synchronize()?;
        let seconds = start.elapsed().as_secs_f64();

        backend.advance(sigma[1] - sigma[0])?;
        backend.synchronize()?;
        wire.send(&Event::Step(Step { index, seconds }))?;
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
    warm_up(&mut backend, &measure)?;
    let mut step_seconds = Vec::new();
    for (index, sigma) in measure.sigmas.windows(2).enumerate() {
        let start = Instant::now();
        backend.forward(index)?;
        backend.synchronize()?;
        step_seconds.push(start.elapsed().as_secs_f64());
        backend.advance(sigma[1] - sigma[0])?;
        backend.synchronize()?;
    }
    Ok(stats::median(&step_seconds))
}

fn warm_up<B: Backend>(backend: &mut B, measure: &Measure) -> Result<()> {
    for _ in 0..measure.warmup_steps {
        backend.forward(0)?;
        backend.synchronize()?;
    }
    Ok(())
}

/// Where the steps are.
fn timesteps(measure: &Measure) -> Vec<f32> {
    measure.sigmas.iter().map(|sigma| schedule::timestep(*sigma)).collect()
}
