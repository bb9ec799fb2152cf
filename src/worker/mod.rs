//! The worker's side: one request in, events out. The only code that times steps.

mod backend;
mod clock;
mod libraries;
mod loading;
pub mod memory;
mod profile;
mod progress;
mod rates;
mod steps;
#[cfg(test)]
mod tests;
mod wire;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest as _, Sha256};

use crate::protocol::{self, Digest, Done, Event, Failed, FailureKind, Job, Quantize, Rated, Ready, Request};
use crate::text::format;
use crate::wan::CheckpointError;
use crate::wan::inputs::HostTensor;
use crate::wan::synthetic;

pub use backend::{Backend, Enqueue, Kernel, Source, Unsupported};
pub use libraries::Libraries;
pub use progress::LoadingProgress;

use wire::{Malformed, Wire};

/// The whole life of a worker program.
///
/// With the argument `plain-loop` it times the request without the protocol, see `steps::plain_loop`.
pub fn run<B: Backend>() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("plain-loop") {
        return match steps::plain_loop::<B>() {
            Ok(seconds) => {
                let is_printed = writeln!(io::stdout(), "{seconds}").is_ok();
                if is_printed { ExitCode::SUCCESS } else { ExitCode::from(3) }
            }
            Err(error) => {
                say(&format!("{}: {error:#}", B::NAME));
                ExitCode::from(3)
            }
        };
    }
    let mut wire = match Wire::take_stdout() {
        Ok(wire) => wire,
        Err(error) => {
            say(&format!("{}: cannot take over standard output: {error}", B::NAME));
            return ExitCode::from(3);
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| serve::<B>(&mut wire)));
    let error = match outcome {
        Ok(Ok(())) => leave(0),
        Ok(Err(error)) => error,
        Err(panic) => anyhow!("panicked: {}", panic_message(panic.as_ref())),
    };
    let failed = Failed { kind: failure_kind(&error), message: format!("{error:#}") };
    // When the tool is gone there is nobody left to tell.
    let _ = wire.send(&Event::Failed(failed));
    leave(3)
}

/// Says something on standard error. Where nobody reads it, the exit status still tells; `eprintln!` would panic.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Ends the process at once. A framework's destructors take a tenth of a short launch, and must not run while another
/// thread computes.
fn leave(status: i32) -> ! {
    // SAFETY: ends the process without running anything of ours; no buffer holds unwritten bytes.
    unsafe { libc::_exit(status) }
}

fn serve<B: Backend>(wire: &mut Wire) -> Result<()> {
    let (request, turns) = wire::read_request()?;
    let mut backend = B::open(request.device())?;
    libraries::check(B::LIBRARIES)?;
    let sdk = option_env!("WANBENCH_MACOS_SDK").map(|version| ("macos-sdk", version.to_owned()));
    let versions = backend.versions().into_iter().chain(sdk);
    let versions = versions.map(|(name, version)| (name.to_owned(), version)).collect();
    wire.send(&Event::Ready(Ready {
        protocol: protocol::VERSION,
        worker: B::NAME.to_owned(),
        device: backend.device(),
        versions,
        wakes: true,
        profiles: true,
    }))?;
    match &request {
        Request::Probe(_) => Ok(()),
        Request::Measure(measure) => {
            let latent = steps::time_steps(&mut backend, measure, &turns, wire)?;
            done(&mut backend, &measure.job, latent, true, wire)
        }
        Request::Forward(forward) => {
            loading::load(&mut backend, &forward.job, &[forward.t], None, 0.0, wire)?;
            backend.forward(0)?;
            backend.synchronize()?;
            let velocity = backend.velocity()?;
            done(&mut backend, &forward.job, velocity, false, wire)
        }
        Request::Profile(request) => profile::profile(&mut backend, request, &turns, wire),
        Request::Rate(rate) => {
            let rates = rates::rates(&mut backend, rate.dtype)?;
            wire.send(&Event::Rated(Rated { rates }))
        }
        Request::Quantize(request) => quantize(&mut backend, request, wire),
    }
}

/// Writes the output where the job says and tells `done`, with the machine's rates where they are wanted.
fn done<B: Backend>(backend: &mut B, job: &Job, output: HostTensor, with_rates: bool, wire: &mut Wire) -> Result<()> {
    ensure!(output.data.iter().all(|value| value.is_finite()), "the output holds values that are not finite");
    let digest = digest(&output);
    if let Some(path) = &job.output {
        synthetic::write_tensors(path, &[("output".to_owned(), output)])
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Before the rates are measured: their operands are none of the network's memory.
    let (framework_peak_bytes, process_peak_bytes) = (backend.peak_bytes()?, memory::process_peak_bytes());
    let rates = with_rates.then(|| rates::rates(backend, job.dtype)).transpose()?;
    wire.send(&Event::Done(Done { framework_peak_bytes, process_peak_bytes, output: Some(digest), rates }))
}

/// Loads, quantizing, and saves; the tool reads it again before it counts.
fn quantize<B: Backend>(backend: &mut B, request: &Quantize, wire: &mut Wire) -> Result<()> {
    loading::load_weights(backend, &request.checkpoint, request.quant, request.dtype, wire)?;
    backend.save(&request.output).with_context(|| format!("cannot write {}", request.output.display()))?;
    let (framework_peak_bytes, process_peak_bytes) = (backend.peak_bytes()?, memory::process_peak_bytes());
    wire.send(&Event::Done(Done { framework_peak_bytes, process_peak_bytes, output: None, rates: None }))
}

fn digest(output: &HostTensor) -> Digest {
    let mut hash = Sha256::new();
    output.data.iter().for_each(|value| hash.update(value.to_le_bytes()));
    let sha256 = format::hexadecimal(hash.finalize());
    let square: f64 = output.data.iter().map(|value| f64::from(*value).powi(2)).sum();
    Digest { sha256, elements: output.data.len(), norm: square.sqrt() }
}

fn failure_kind(error: &anyhow::Error) -> FailureKind {
    if error.is::<Unsupported>() {
        FailureKind::Unsupported
    } else if error.is::<CheckpointError>() || error.is::<Malformed>() {
        FailureKind::Input
    } else {
        FailureKind::Internal
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
