//! The worker's side: one request in, events out. The only code that times steps.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::protocol::{
    self, Device, DeviceChoice, Digest, Done, Event, Failed, FailureKind, Job, Loaded, Measure, Ready, Request, Step,
    Turn, Warmed,
};
use crate::wan::inputs::HostTensor;
use crate::wan::{Checkpoint, DType, Inputs, Quant, flops, schedule, synthetic};
use crate::{memory, stats};

/// The whole network in one framework, over host data.
///
/// Calls come in this order: `open`, then `load`, `prepare`, then any number of `forward` (each followed by
/// `synchronize`) and `advance`.
pub trait Backend: Sized {
    /// Name of the worker program.
    const NAME: &'static str;

    /// Opens the device; [`Unsupported`] where there is none of the kind asked for.
    fn open(choice: DeviceChoice) -> Result<Self>;

    /// The device that was opened.
    fn device(&self) -> Device;

    /// Versions of what decides the speed, by name.
    fn versions(&self) -> Vec<(&'static str, String)>;

    /// Brings the weights to the device as `dtype`, quantized; returns the bytes they take there.
    fn load(&mut self, checkpoint: &Checkpoint, quant: Quant, dtype: DType) -> Result<u64>;

    /// Brings inputs, already checked against the model, to the device.
    fn prepare(&mut self, inputs: &Inputs) -> Result<()>;

    /// Enqueues v = network(x, t); must compute all of it anew at every call.
    fn forward(&mut self, t: f32) -> Result<()>;

    /// Waits until all that was enqueued is computed.
    fn synchronize(&mut self) -> Result<()>;

    /// Enqueues x ← x + delta_sigma · v, in f32.
    fn advance(&mut self, delta_sigma: f32) -> Result<()>;

    /// The latent x, as f32 on the host.
    fn latent(&mut self) -> Result<HostTensor>;

    /// The last network output v, as f32 on the host.
    fn velocity(&mut self) -> Result<HostTensor>;

    /// Starts the framework's own peak count anew.
    fn reset_peak(&mut self) -> Result<()>;

    /// The framework's own peak in bytes; `None` where it keeps none.
    fn peak_bytes(&mut self) -> Result<Option<u64>>;
}

/// The error of a [`Backend`] that cannot run a case at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// The whole life of a worker program.
///
/// With the argument `plain-loop` it times the request without the protocol, see [`plain_loop`].
pub fn run<B: Backend>() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("plain-loop") {
        return match plain_loop::<B>() {
            Ok(seconds) => {
                println!("{seconds}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{}: {error:#}", B::NAME);
                ExitCode::from(3)
            }
        };
    }
    let mut wire = match Wire::take_stdout() {
        Ok(wire) => wire,
        Err(error) => {
            eprintln!("{}: cannot take over standard output: {error}", B::NAME);
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

/// Ends the process at once. A framework's destructors take a tenth of a short launch, and must not run while another
/// thread computes.
fn leave(status: i32) -> ! {
    // SAFETY: ends the process without running anything of ours; no buffer holds unwritten bytes.
    unsafe { libc::_exit(status) }
}

fn serve<B: Backend>(wire: &mut Wire) -> Result<()> {
    let (request, turns) = read_request()?;
    let mut backend = B::open(request.device())?;
    let versions = backend.versions().into_iter().map(|(name, version)| (name.to_owned(), version)).collect();
    wire.send(&Event::Ready(Ready {
        protocol: protocol::VERSION,
        worker: B::NAME.to_owned(),
        device: backend.device(),
        versions,
    }))?;
    let (output, path) = match &request {
        Request::Probe(_) => return Ok(()),
        Request::Measure(measure) => (time_steps(&mut backend, measure, &turns, wire)?, &measure.job.output),
        Request::Forward(forward) => {
            load(&mut backend, &forward.job, 0.0, wire)?;
            backend.forward(forward.t)?;
            backend.synchronize()?;
            (backend.velocity()?, &forward.job.output)
        }
    };
    ensure!(output.data.iter().all(|value| value.is_finite()), "the output holds values that are not finite");
    let digest = digest(&output);
    if let Some(path) = path {
        synthetic::write_tensors(path, &[("output".to_owned(), output)])
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    wire.send(&Event::Done(Done {
        framework_peak_bytes: backend.peak_bytes()?,
        process_peak_bytes: memory::process_peak_bytes(),
        output: Some(digest),
    }))
}

/// The same steps as a program without a harness would run them: no events, no thread, nothing between the steps.
///
/// Reads a `measure` request from standard input; returns the median step in seconds. `make bench` compares it with what
/// the protocol reports, to show that the harness costs nothing.
fn plain_loop<B: Backend>() -> Result<f64> {
    let Request::Measure(measure) = serde_json::from_reader(io::stdin().lock())? else {
        bail!("plain-loop takes a measure request");
    };
    let checkpoint = Checkpoint::open(&measure.job.checkpoint)?;
    let inputs = Inputs::open(&measure.job.inputs)?;
    let mut backend = B::open(measure.job.device)?;
    backend.load(&checkpoint, measure.job.quant, measure.job.dtype)?;
    backend.prepare(&inputs)?;
    for _ in 0..measure.warmup_steps {
        backend.forward(schedule::timestep(measure.sigmas[0]))?;
        backend.synchronize()?;
    }
    let mut step_seconds = Vec::new();
    for sigma in measure.sigmas.windows(2) {
        let start = Instant::now();
        backend.forward(schedule::timestep(sigma[0]))?;
        backend.synchronize()?;
        step_seconds.push(start.elapsed().as_secs_f64());
        backend.advance(sigma[1] - sigma[0])?;
        backend.synchronize()?;
    }
    Ok(stats::median(&step_seconds))
}

fn load<B: Backend>(backend: &mut B, job: &Job, extra_work: f64, wire: &mut Wire) -> Result<()> {
    let start = Instant::now();
    let checkpoint = Checkpoint::open(&job.checkpoint)?;
    let mut inputs = Inputs::open(&job.inputs)?;
    inputs.check(&checkpoint.spec).map_err(|reason| anyhow!("{}: {reason}", job.inputs.display()))?;
    inputs.rows_in_vain = flops::text_rows(&checkpoint.spec, inputs.latent(), extra_work);
    let model_bytes = backend.load(&checkpoint, job.quant, job.dtype)?;
    backend.prepare(&inputs)?;
    backend.synchronize()?;
    let seconds = start.elapsed().as_secs_f64();
    backend.reset_peak()?;
    wire.send(&Event::Loaded(Loaded { model_bytes, seconds }))
}

/// Warms up, then times each step, when its turn comes; returns the final latent.
fn time_steps<B: Backend>(
    backend: &mut B,
    measure: &Measure,
    turns: &Receiver<Turn>,
    wire: &mut Wire,
) -> Result<HostTensor> {
    ensure!(measure.sigmas.len() >= 2, "a measurement needs at least one step, so at least two sigmas");
    load(backend, &measure.job, measure.extra_work.unwrap_or(0.0), wire)?;

    let start = Instant::now();
    for _ in 0..measure.warmup_steps {
        backend.forward(schedule::timestep(measure.sigmas[0]))?;
        backend.synchronize()?;
    }
    wire.send(&Event::Warmed(Warmed { seconds: start.elapsed().as_secs_f64() }))?;

    for (index, sigma) in measure.sigmas.windows(2).enumerate() {
        turns.recv().context("no turn came for the next step")?;
        let start = Instant::now();
        backend.forward(schedule::timestep(sigma[0]))?;
        backend.synchronize()?;
        let seconds = start.elapsed().as_secs_f64();

        backend.advance(sigma[1] - sigma[0])?;
        backend.synchronize()?;
        wire.send(&Event::Step(Step { index, seconds }))?;
    }
    backend.latent()
}

fn digest(output: &HostTensor) -> Digest {
    let mut hash = Sha256::new();
    output.data.iter().for_each(|value| hash.update(value.to_le_bytes()));
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let square: f64 = output.data.iter().map(|value| f64::from(*value).powi(2)).sum();
    Digest { sha256, elements: output.data.len(), norm: square.sqrt() }
}

/// Reads the request, then watches standard input for turns: a worker whose tool is gone ends at once.
fn read_request() -> Result<(Request, Receiver<Turn>)> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the request")?;
    let (sender, turns) = channel();
    std::thread::spawn(move || {
        // Ends when the tool closes the pipe, by will or by dying, or writes what is no turn.
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(turn) = serde_json::from_str(&line) else { break };
            // Nobody waits for turns after the last step.
            let _ = sender.send(turn);
        }
        leave(3);
    });
    let value: serde_json::Value = serde_json::from_str(&line).context("the request is not JSON")?;
    let version = value.get("protocol").and_then(serde_json::Value::as_u64);
    ensure!(
        version == Some(protocol::VERSION.into()),
        "the request speaks protocol {version:?}, this worker {}: build tool and workers from one revision",
        protocol::VERSION
    );
    let request = serde_json::from_value(value).map_err(|error| Malformed(error.to_string()))?;
    Ok((request, turns))
}

#[derive(Debug, thiserror::Error)]
#[error("the request is malformed: {0}")]
struct Malformed(String);

fn failure_kind(error: &anyhow::Error) -> FailureKind {
    if error.is::<Unsupported>() {
        FailureKind::Unsupported
    } else if error.is::<crate::wan::checkpoint::CheckpointError>() || error.is::<Malformed>() {
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

/// The way to the tool: the original standard output.
struct Wire(File);

impl Wire {
    /// Keeps standard output for events and sends whatever libraries print there to standard error.
    fn take_stdout() -> io::Result<Self> {
        let wire = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self(File::from(wire)))
    }

    /// Writes one event as one line in one write.
    fn send(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        self.0.write_all(line.as_bytes()).context("the tool is gone")
    }
}
