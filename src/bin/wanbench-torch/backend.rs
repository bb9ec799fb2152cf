//! The worker's view of PyTorch: device, networks, inputs, the state of a denoising run.
//!
//! What outlives a step is the weights, the inputs as given, the RoPE tables and the latent; everything else is
//! computed in the step that uses it.

use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context, Error, Result, bail, ensure};
use tch::{Device, Tensor};
use wanbench::protocol::{self, DeviceChoice, DeviceKind, MemoryKind};
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::work::Part;
use wanbench::wan::{Inputs, Quant};
use wanbench::worker::{Backend, Enqueue, Kernel, Libraries, LoadingProgress, Source, Unsupported, say};

use crate::accelerator::{self, Accelerator, InferenceMode};
use crate::errors::{brief, without_backtrace};
use crate::kernels;
use crate::model::WanModel;
use crate::replay::Network;
use crate::sample::Sample;
use crate::weights::Weights;

/// [`Backend`] over libtorch.
pub struct Torch {
    accelerator: Option<Accelerator>,
    /// Whether the accelerator's allocator counts; known once it holds something.
    counts_memory: bool,
    /// The one in use first, then the one that waits.
    networks: Vec<Network>,
    sample: Option<Sample>,
    /// The last network output, f32.
    velocity: Option<Tensor>,
    /// Last, so that it is left after all tensors are gone.
    _inference: InferenceMode,
}

impl Backend for Torch {
    const NAME: &'static str = "wanbench-torch";

    const LIBRARIES: Libraries =
        Libraries { folder: option_env!("TORCH_LIB"), names: &["libtorch", "libc10", "libgomp"] };

    fn open(choice: DeviceChoice) -> Result<Self> {
        let accelerator = match choice {
            DeviceChoice::Cpu => None,
            DeviceChoice::Auto => Accelerator::find(),
            DeviceChoice::Gpu => Some(Accelerator::find().ok_or_else(no_accelerator)?),
        };
        if accelerator.is_none() {
            use_all_cores();
        }
        accelerator::full_precision()?;
        Ok(Self {
            accelerator,
            counts_memory: false,
            networks: Vec::new(),
            sample: None,
            velocity: None,
            _inference: InferenceMode::enter(),
        })
    }

    fn device(&self) -> protocol::Device {
        let (kind, name, memory) = match self.torch_device() {
            Device::Mps => (DeviceKind::Gpu, "mps".to_owned(), None),
            Device::Cuda(index) => (DeviceKind::Gpu, format!("cuda:{index}"), Some(MemoryKind::Discrete)),
            Device::Cpu | Device::Vulkan => (DeviceKind::Cpu, "cpu".to_owned(), None),
        };
        protocol::Device { kind, name, memory }
    }

    fn versions(&self) -> Vec<(&'static str, String)> {
        let mut versions = vec![
            ("torch", accelerator::torch_version()),
            ("tch", env!("TCH_VERSION").to_owned()),
            ("wanbench", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        if matches!(self.torch_device(), Device::Cuda(_)) {
            versions.extend([("torch-tf32", "off".to_owned()), ("torch-cuda-graphs", "on".to_owned())]);
        }
        versions
    }

    fn load(&mut self, source: &Source, loading: &mut LoadingProgress) -> Result<u64> {
        if source.quant != Quant::None {
            return Err(unsupported_quant(source.quant));
        }
        ensure!(self.networks.len() < 2, "two networks are loaded already: unload one first");
        let mut weights = Weights::new(source, loading, self.torch_device());
        let mut network = Network::new(WanModel::load(&mut weights).map_err(without_backtrace)?);
        // One that takes over on the way is made ready here, and not in its first step.
        if let Some(sample) = &self.sample {
            network.record(sample).map_err(without_backtrace)?;
        }
        let bytes = weights.bytes();
        self.networks.push(network);
        Ok(bytes)
    }

    fn unload(&mut self) -> Result<()> {
        ensure!(!self.networks.is_empty(), "unload comes after load");
        // A recorded pass's output lies in its memory.
        self.velocity = None;
        drop(self.networks.remove(0));
        self.accelerator.as_ref().map_or(Ok(()), Accelerator::empty_cache)
    }

    fn switch(&mut self) -> Result<()> {
        let [in_use, waiting] = self.networks.as_mut_slice() else { bail!("switch comes after two loads") };
        std::mem::swap(in_use, waiting);
        Ok(())
    }

    fn prepare(&mut self, inputs: &Inputs, timesteps: &[f32]) -> Result<()> {
        self.networks.iter_mut().for_each(Network::forget);
        let model = &self.networks.first().context("prepare comes after load")?.model;
        let sample = Sample::new(inputs, timesteps, model.spec(), model.kind(), self.torch_device());
        self.sample = Some(sample.map_err(without_backtrace)?);
        Ok(())
    }

    fn forward(&mut self, timestep: usize) -> Result<()> {
        let (network, sample) = self.at(timestep)?;
        let velocity = network.forward(sample).map_err(without_backtrace)?;
        self.velocity = Some(velocity);
        Ok(())
    }

    fn forward_by_parts(&mut self, timestep: usize, lap: &mut dyn FnMut(Part)) -> Result<()> {
        self.at(timestep)?;
        let (Some(network), Some(sample)) = (self.networks.first(), &self.sample) else { bail!(NOT_PREPARED) };
        let velocity = network.model.forward(sample, &mut |part| {
            self.wait()?;
            lap(part);
            Ok(())
        });
        self.velocity = Some(velocity.map_err(without_backtrace)?);
        Ok(())
    }

    fn synchronize(&mut self) -> Result<()> {
        self.wait()
    }

    fn advance(&mut self, delta_sigma: f32) -> Result<()> {
        let (Some(sample), Some(velocity)) = (&mut self.sample, &self.velocity) else {
            bail!("advance comes after forward");
        };
        let (x, v) = (sample.x.size(), velocity.size());
        ensure!(x == v, "the output {v:?} does not fit the latent {x:?}, so a step cannot be taken");
        let change = velocity.f_mul_scalar(f64::from(delta_sigma)).map_err(brief)?;
        sample.x = sample.x.f_add_(&change).map_err(brief)?;
        Ok(())
    }

    fn latent(&mut self) -> Result<HostTensor> {
        to_host(&self.sample.as_ref().context("there is no latent before prepare")?.x)
    }

    fn velocity(&mut self) -> Result<HostTensor> {
        to_host(self.velocity.as_ref().context("there is no output before forward")?)
    }

    fn reset_peak(&mut self) -> Result<()> {
        let Some(accelerator) = &self.accelerator else { return Ok(()) };
        match accelerator.reset_peak().and_then(|()| accelerator.peak_bytes()) {
            Ok(peak) => self.counts_memory = peak > 0,
            // Timing is still worth having where an allocator keeps no count.
            Err(error) => say(&format!("{}: no memory statistics: {error:#}", Self::NAME)),
        }
        Ok(())
    }

    fn peak_bytes(&mut self) -> Result<Option<u64>> {
        let accelerator = self.accelerator.as_ref().filter(|_| self.counts_memory);
        accelerator.map(Accelerator::peak_bytes).transpose()
    }

    fn kernel(&mut self, kernel: Kernel) -> Result<Enqueue> {
        kernels::prepare(kernel, self.torch_device())
    }

    fn save(&mut self, _path: &Path) -> Result<()> {
        let reason = "PyTorch quantizes nothing here, so it has nothing to save: quantize with backend mlx";
        Err(Unsupported(reason.to_owned()).into())
    }
}

impl Torch {
    fn torch_device(&self) -> Device {
        self.accelerator.as_ref().map_or(Device::Cpu, Accelerator::device)
    }

    /// The network in use and its sample, at the timestep of so many before it.
    fn at(&mut self, timestep: usize) -> Result<(&mut Network, &Sample)> {
        let (Some(network), Some(sample)) = (self.networks.first_mut(), &mut self.sample) else { bail!(NOT_PREPARED) };
        sample.go_to(timestep).map_err(without_backtrace)?;
        Ok((network, sample))
    }

    fn wait(&self) -> Result<()> {
        // Without an accelerator every operation is complete when it returns.
        self.accelerator.as_ref().map_or(Ok(()), Accelerator::synchronize)
    }
}

const NOT_PREPARED: &str = "forward comes after load and prepare";

fn no_accelerator() -> Error {
    let reason = "this libtorch finds no GPU: use --device cpu; the GPU needs a Mac with Apple Silicon, or an NVIDIA GPU and \
                  workers built with `make build DEVICE=cuda`";
    Unsupported(reason.to_owned()).into()
}

fn unsupported_quant(quant: Quant) -> Error {
    let reason =
        format!("quant {quant} is not supported by PyTorch here: use quant none, or measure {quant} with backend mlx");
    Unsupported(reason).into()
}

/// One thread per core for the operators; their order is fixed, so none to run several at once.
fn use_all_cores() {
    let cores = available_parallelism().map_or(1, usize::from);
    tch::set_num_interop_threads(1);
    tch::set_num_threads(i32::try_from(cores).unwrap_or(i32::MAX));
}

fn to_host(tensor: &Tensor) -> Result<HostTensor> {
    let mut data = vec![0f32; tensor.numel()];
    let len = data.len();
    tensor.f_copy_data(&mut data, len).map_err(brief).context("cannot read a tensor back")?;
    Ok(HostTensor { shape: tensor.size().iter().map(|extent| *extent as usize).collect(), data })
}
