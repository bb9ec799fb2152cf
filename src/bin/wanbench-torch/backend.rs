//! The worker's view of PyTorch: device, weights, inputs, the state of a denoising run.
//!
//! What outlives a step is the weights, the inputs as given, the RoPE tables and the latent; everything else is
//! computed in the step that uses it.

use std::thread::available_parallelism;

use anyhow::{Context, Error, Result, ensure};
use tch::{Device, Kind, TchError, Tensor};
use wanbench::protocol::{self, DeviceChoice, DeviceKind};
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::{Checkpoint, DType, Inputs, Quant, rope};
use wanbench::worker::{Backend, Unsupported};

use crate::accelerator::{self, Accelerator, InferenceMode};
use crate::model::{Sample, WanModel};
use crate::rope::Rope;
use crate::weights::Weights;

/// [`Backend`] over libtorch.
pub struct Torch {
    accelerator: Option<Accelerator>,
    /// Whether the accelerator's allocator counts; known once it holds something.
    counts_memory: bool,
    model: Option<WanModel>,
    sample: Option<Sample>,
    /// The last network output, f32.
    velocity: Option<Tensor>,
    /// Last, so that it is left after all tensors are gone.
    _inference: InferenceMode,
}

impl Backend for Torch {
    const NAME: &'static str = "wanbench-torch";

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
            model: None,
            sample: None,
            velocity: None,
            _inference: InferenceMode::enter(),
        })
    }

    fn device(&self) -> protocol::Device {
        let (kind, name) = match self.torch_device() {
            Device::Mps => (DeviceKind::Gpu, "mps".to_owned()),
            Device::Cuda(index) => (DeviceKind::Gpu, format!("cuda:{index}")),
            Device::Cpu | Device::Vulkan => (DeviceKind::Cpu, "cpu".to_owned()),
        };
        protocol::Device { kind, name }
    }

    fn versions(&self) -> Vec<(&'static str, String)> {
        vec![
            ("torch", accelerator::torch_version()),
            ("tch", "0.26.0".to_owned()),
            ("wanbench", env!("CARGO_PKG_VERSION").to_owned()),
        ]
    }

    fn load(&mut self, checkpoint: &Checkpoint, quant: Quant, dtype: DType) -> Result<u64> {
        if quant != Quant::None {
            return Err(unsupported_quant(quant));
        }
        let weights = Weights::new(checkpoint, self.torch_device(), kind(dtype));
        self.model = Some(WanModel::load(&weights).map_err(without_backtrace)?);
        Ok(weights.bytes())
    }

    fn prepare(&mut self, inputs: &Inputs) -> Result<()> {
        let model = self.model.as_ref().context("prepare comes after load")?;
        self.sample = Some(sample(model, inputs, self.torch_device()).map_err(without_backtrace)?);
        Ok(())
    }

    fn forward(&mut self, t: f32) -> Result<()> {
        let (Some(model), Some(sample)) = (&self.model, &self.sample) else {
            anyhow::bail!("forward comes after load and prepare");
        };
        self.velocity = Some(model.forward(sample, t).map_err(without_backtrace)?);
        Ok(())
    }

    fn synchronize(&mut self) -> Result<()> {
        // Without an accelerator every operation is complete when it returns.
        self.accelerator.as_ref().map_or(Ok(()), Accelerator::synchronize)
    }

    fn advance(&mut self, delta_sigma: f32) -> Result<()> {
        let (Some(sample), Some(velocity)) = (&mut self.sample, &self.velocity) else {
            anyhow::bail!("advance comes after forward");
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
            Err(error) => eprintln!("{}: no memory statistics: {error:#}", Self::NAME),
        }
        Ok(())
    }

    fn peak_bytes(&mut self) -> Result<Option<u64>> {
        let accelerator = self.accelerator.as_ref().filter(|_| self.counts_memory);
        accelerator.map(Accelerator::peak_bytes).transpose()
    }
}

impl Torch {
    fn torch_device(&self) -> Device {
        self.accelerator.as_ref().map_or(Device::Cpu, Accelerator::device)
    }
}

fn no_accelerator() -> Error {
    let reason = "this libtorch finds no GPU: take --device cpu, or run on Apple Silicon, or build against a libtorch \
                  for CUDA (LIBTORCH)";
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

fn kind(dtype: DType) -> Kind {
    match dtype {
        DType::F32 => Kind::Float,
        DType::F16 => Kind::Half,
        DType::Bf16 => Kind::BFloat16,
    }
}

/// Inputs on the device: the latent as f32, the rest in the model's arithmetic.
fn sample(model: &WanModel, inputs: &Inputs, device: Device) -> Result<Sample> {
    let spec = model.spec();
    let grid = spec.grid(inputs.latent()).map_err(Error::msg)?;
    let upload = |name: &str, tensor: &HostTensor, kind| -> Result<Tensor> {
        to_device(tensor, kind, device).with_context(|| format!("cannot upload the input {name}"))
    };
    let optional = |name, tensor: &Option<HostTensor>| {
        tensor.as_ref().map(|tensor| upload(name, tensor, model.kind())).transpose()
    };
    Ok(Sample {
        x: upload("x", &inputs.x, Kind::Float)?,
        y: optional("y", &inputs.y)?,
        context: upload("context", &inputs.padded_context(spec), model.kind())?,
        camera: optional("c2ws_plucker_emb", &inputs.camera)?,
        rope: Rope::new(&rope::tables(spec, grid), model.kind(), device)?,
        grid: grid.map(|extent| extent as i64),
    })
}

fn to_device(tensor: &HostTensor, kind: Kind, device: Device) -> Result<Tensor> {
    let shape: Vec<i64> = tensor.shape.iter().map(|extent| *extent as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.data)?.f_view(shape.as_slice())?.f_to_kind(kind)?.f_to_device(device)?)
}

fn to_host(tensor: &Tensor) -> Result<HostTensor> {
    let mut data = vec![0f32; tensor.numel()];
    let len = data.len();
    tensor.f_copy_data(&mut data, len).map_err(brief).context("cannot read a tensor back")?;
    Ok(HostTensor { shape: tensor.size().iter().map(|extent| *extent as usize).collect(), data })
}

/// An error of libtorch carries pages of C++ frames after its reason.
fn brief(error: TchError) -> Error {
    without_backtrace(error.into())
}

fn without_backtrace(error: Error) -> Error {
    let message = format!("{error:#}");
    match message.split_once("\nException raised from") {
        Some((reason, _)) => Error::msg(reason.to_owned()),
        None => error,
    }
}
