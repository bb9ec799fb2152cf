//! The worker program of the MLX backend: [`worker::run`] over the whole network in mlx-rs.
//!
//! Invariant: one device, one stream, one thread. Nothing that a step computes outlives the step but v and x.

mod attention;
mod compiler;
mod environment;
mod forward;
mod hardware;
mod headers;
mod kernels;
mod model;
mod native;
mod packing;
mod stacks;
mod storage;
mod weights;

use std::mem;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result, anyhow};
use mlx_rs::{Array, Device as MlxDevice, Dtype, Stream, memory, transforms};
use wanbench::protocol::{Device, DeviceChoice, MemoryKind};
use wanbench::wan::Inputs;
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::work::Part;
use wanbench::worker::{self, Backend, Enqueue, Kernel, Libraries, LoadingProgress, Source, Unsupported, say};

use crate::attention::Attention;
use crate::forward::Forward;
use crate::hardware::Hardware;
use crate::weights::Weights;

fn main() -> ExitCode {
    // SAFETY: this is the first statement of the program, so no other thread reads the environment yet.
    unsafe { environment::set_up() };
    worker::run::<Mlx>()
}

struct Mlx {
    stream: Stream,
    hardware: Hardware,
    compiles: bool,
    attention: Rc<Attention>,
    in_use: Option<Weights>,
    waiting: Option<Weights>,
    /// For whatever network is in use.
    forward: Option<Forward>,
    /// Whether a step was enqueued, and with it every kernel compiled.
    has_stepped: bool,
}

impl Backend for Mlx {
    const NAME: &'static str = "wanbench-mlx";

    const LIBRARIES: Libraries =
        Libraries { folder: option_env!("WANBENCH_MLX_LIB"), names: &["libmlx", "libscipy_openblas"] };

    fn open(choice: DeviceChoice) -> Result<Self> {
        let (hardware, device, stream) = pick_device(choice)?;
        // Operations without an explicit stream go to the default device's default stream: this one.
        MlxDevice::set_default(&device);
        if let (Hardware::Cuda, Some(library)) = (hardware, Self::LIBRARIES.folder) {
            headers::check(Path::new(library));
        }
        let compiles = compiler::probe(hardware);
        let attention = Rc::new(Attention::new(hardware)?);
        let (in_use, waiting) = (None, None);
        Ok(Self { stream, hardware, compiles, attention, in_use, waiting, forward: None, has_stepped: false })
    }

    fn device(&self) -> Device {
        let memory = (self.hardware == Hardware::Cuda).then_some(MemoryKind::Discrete);
        Device { kind: self.hardware.kind(), name: self.hardware.name().to_owned(), memory }
    }

    fn versions(&self) -> Vec<(&'static str, String)> {
        let mut versions = vec![
            ("mlx", native::version().unwrap_or_else(|_| "unknown".to_owned())),
            ("mlx-rs", env!("MLX_RS_VERSION").to_owned()),
            ("mlx-compile", if self.compiles { "on" } else { "off" }.to_owned()),
            ("wanbench", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        versions.extend(option_env!("WANBENCH_MLX_BUILD").map(|build| ("mlx-build", build.to_owned())));
        if self.hardware == Hardware::Cuda {
            versions.extend(environment::settings());
            let of_heads: Vec<String> = self.attention.head_dims().iter().map(usize::to_string).collect();
            versions.push(("mlx-f32-attention", format!("wanbench's kernel for heads of [{}]", of_heads.join(", "))));
            versions.push(("mlx-quantized-products", "of unpacked weights".to_owned()));
        }
        versions
    }

    fn load(&mut self, source: &Source, loading: &mut LoadingProgress) -> Result<u64> {
        let weights = Weights::load(source, self.hardware, loading)?;
        let bytes = weights.nbytes();
        let place = if self.in_use.is_none() { &mut self.in_use } else { &mut self.waiting };
        *place = Some(weights);
        self.wire();
        Ok(bytes)
    }

    fn unload(&mut self) -> Result<()> {
        self.in_use = None;
        self.wire();
        memory::clear_cache().context("cannot clear MLX's buffer cache")
    }

    fn switch(&mut self) -> Result<()> {
        mem::swap(&mut self.in_use, &mut self.waiting);
        Ok(())
    }

    fn prepare(&mut self, inputs: &Inputs, timesteps: &[f32]) -> Result<()> {
        let weights = self.in_use.as_ref().context(NOT_LOADED)?;
        let attention = Rc::clone(&self.attention);
        self.forward = Some(Forward::prepare(weights, inputs, timesteps, attention, self.compiles)?);
        Ok(())
    }

    fn forward(&mut self, timestep: usize) -> Result<()> {
        let _alone = (!self.has_stepped).then(compiler::lock);
        let (forward, weights) = self.network()?;
        let velocity = forward.step(timestep, weights)?;
        transforms::async_eval([velocity]).context("cannot enqueue the forward pass")?;
        self.has_stepped = true;
        Ok(())
    }

    fn forward_by_parts(&mut self, timestep: usize, lap: &mut dyn FnMut(Part)) -> Result<()> {
        let (forward, weights) = self.network()?;
        forward.step_by_parts(timestep, weights, lap)
    }

    fn synchronize(&mut self) -> Result<()> {
        if let Some(forward) = &self.forward {
            // Waits for these arrays and reports what went wrong on the way to them.
            transforms::eval(forward.results()).context("MLX failed in a step")?;
        }
        native::synchronize(&self.stream)
    }

    fn advance(&mut self, delta_sigma: f32) -> Result<()> {
        let x = self.prepared()?.advance(delta_sigma)?;
        transforms::async_eval([x]).context("cannot enqueue the Euler update")
    }

    fn latent(&mut self) -> Result<HostTensor> {
        to_host(self.prepared()?.latent())
    }

    fn velocity(&mut self) -> Result<HostTensor> {
        to_host(self.prepared()?.velocity().context("no forward pass has run yet")?)
    }

    fn reset_peak(&mut self) -> Result<()> {
        // MLX takes the peak anew from all memory in use at the next allocation, so the weights are in it again.
        memory::reset_peak_memory().context("cannot reset MLX's peak memory")
    }

    fn peak_bytes(&mut self) -> Result<Option<u64>> {
        Ok(Some(memory::peak_memory().context("cannot read MLX's peak memory")? as u64))
    }

    fn kernel(&mut self, kernel: Kernel) -> Result<Enqueue> {
        kernels::prepare(kernel, self.hardware)
    }

    fn save(&mut self, path: &Path) -> Result<()> {
        self.in_use.as_ref().context(NOT_LOADED)?.save(path)
    }
}

const NOT_LOADED: &str = "the weights are wanted before `load`";
const NOT_PREPARED: &str = "a step came before `prepare`";

impl Mlx {
    fn prepared(&mut self) -> Result<&mut Forward> {
        self.forward.as_mut().context(NOT_PREPARED)
    }

    fn network(&mut self) -> Result<(&mut Forward, &Weights)> {
        let weights = self.in_use.as_ref().context(NOT_LOADED)?;
        Ok((self.forward.as_mut().context(NOT_PREPARED)?, weights))
    }

    /// Has macOS keep the loaded weights in memory: what a GPU did not use for a while is unwired otherwise, and a large network's
    /// first pass after a pause would measure how it is wired again. Other processes wire theirs, so no more than the weights is
    /// asked for. MLX wires nothing elsewhere.
    fn wire(&self) {
        if self.hardware != Hardware::Metal {
            return;
        }
        let weights = self.in_use.iter().chain(&self.waiting).map(Weights::nbytes).sum::<u64>();
        // A buffer takes more than its array: pages are rounded up.
        let bytes = weights + weights / 16;
        if let Err(error) = memory::set_wired_limit(usize::try_from(bytes).unwrap_or(usize::MAX)) {
            say(&format!(
                "wanbench-mlx: the weights are not wired, so a pass after a pause may be slow (macOS may allow more by `sudo sysctl \
                 iogpu.wired_limit_mb=…`): {}",
                error.what()
            ));
        }
    }
}

/// Finds the device and its default stream. The probe is a safe call of mlx-rs and comes first: it installs the error
/// handler without which MLX ends the process at its first error.
fn pick_device(choice: DeviceChoice) -> Result<(Hardware, MlxDevice, Stream)> {
    let cpu = MlxDevice::cpu();
    let cpu_stream = Stream::try_default_on_device(&cpu).context("MLX does not start")?;
    if choice == DeviceChoice::Cpu {
        return Ok((Hardware::Cpu, cpu, cpu_stream));
    }
    let gpu = MlxDevice::gpu();
    match Stream::try_default_on_device(&gpu) {
        Ok(stream) => Ok((native::gpu(), gpu, stream)),
        Err(_) if choice == DeviceChoice::Auto => Ok((Hardware::Cpu, cpu, cpu_stream)),
        Err(error) => Err(no_gpu(error.what()).into()),
    }
}

/// That the GPU was asked for and there is none; `reason` is MLX's own.
fn no_gpu(reason: &str) -> Unsupported {
    let needed = if cfg!(target_os = "macos") {
        "a Mac with Apple Silicon, for Metal"
    } else {
        "an NVIDIA GPU, and workers built with `make build DEVICE=cuda`"
    };
    Unsupported(format!("MLX finds no GPU here ({reason}): use --device cpu; the GPU needs {needed}"))
}

fn to_host(array: &Array) -> Result<HostTensor> {
    debug_assert_eq!(array.dtype(), Dtype::Float32);
    let shape = array.shape().iter().map(|extent| *extent as usize).collect();
    // A result may be a view with other strides than its shape's, as where an axis has one element.
    let rows = array.contiguous().context("cannot lay out a result")?;
    let data = rows.to_vec_exact::<f32>().map_err(|error| anyhow!("cannot read a result from MLX: {error}"))?;
    Ok(HostTensor { shape, data })
}
