//! The network as a function that steps call: its argument list, compiled once.
//!
//! Invariant: every array that a step reads is an argument of the compiled function, never captured by it; only the
//! timestep's and the latent's arguments change between steps.

use std::fs::File;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use mlx_rs::error::Exception;
use mlx_rs::transforms::compile::compile;
use mlx_rs::{Array, ops};
use wanbench::protocol::DeviceKind;
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::rope::{self, RopeTables};
use wanbench::wan::{Inputs, Spec, time};

use crate::model::{Conditions, Model};
use crate::weights::{Bound, Index, Weights};

/// A network with its inputs.
pub struct Forward {
    function: Function,
    arguments: Vec<Array>,
    velocity: Option<Array>,
    freq_dim: usize,
}

type Function = Box<dyn FnMut(&[Array]) -> Result<Vec<Array>, Exception>>;

/// Slots of the arguments that steps replace; conditions and weights follow.
const SINUSOID: usize = 0;
const LATENT: usize = 1;
const CONDITIONS: usize = 2;

impl Forward {
    /// Brings the inputs to the device and compiles the network for their shapes.
    pub fn prepare(spec: Spec, weights: Weights, inputs: &Inputs, compiles: bool) -> Result<Self> {
        let dtype = weights.index.dtype;
        let grid = spec.grid(inputs.latent()).map_err(anyhow::Error::msg)?;
        let to_dtype = |tensor: &HostTensor| to_device(tensor)?.as_dtype(dtype).context("cannot cast an input");

        let freq_dim = spec.freq_dim;
        let mut arguments = vec![to_device(&sinusoid(0.0, freq_dim))?, to_device(&inputs.x)?];
        arguments.push(rotations(&rope::tables(&spec, grid))?);
        arguments.push(to_dtype(&inputs.padded_context(&spec))?);
        let optional = [inputs.y.as_ref(), inputs.camera.as_ref()];
        for input in optional.into_iter().flatten() {
            arguments.push(to_dtype(input)?);
        }
        mlx_rs::transforms::eval(&arguments).context("cannot bring the inputs to the device")?;
        arguments.extend(weights.arrays);

        let network = Network { spec, grid, has: optional.map(|input| input.is_some()), index: weights.index };
        let run = move |arguments: &[Array]| network.run(arguments);
        let function: Function = if compiles { Box::new(compile(run, None)) } else { Box::new(run) };
        Ok(Self { function, arguments, velocity: None, freq_dim })
    }

    /// The graph of v = network(x, t), not yet evaluated.
    pub fn step(&mut self, t: f32) -> Result<&Array> {
        self.arguments[SINUSOID] = to_device(&sinusoid(t, self.freq_dim))?;
        let outputs = (self.function)(&self.arguments).context("cannot build the forward pass")?;
        let velocity = outputs.into_iter().next().context("the forward pass has no output")?;
        Ok(self.velocity.insert(velocity))
    }

    /// The graph of x ← x + delta_sigma · v, in f32.
    pub fn advance(&mut self, delta_sigma: f32) -> Result<&Array> {
        let velocity = self.velocity().context("no forward pass has run yet")?;
        let delta = velocity.multiply(Array::from_f32(delta_sigma))?;
        self.arguments[LATENT] = self.arguments[LATENT].add(delta)?;
        Ok(&self.arguments[LATENT])
    }

    /// The latent x, f32 `[channels, frames, height, width]`.
    pub fn latent(&self) -> &Array {
        &self.arguments[LATENT]
    }

    /// The last v, f32 of x's shape.
    pub fn velocity(&self) -> Option<&Array> {
        self.velocity.as_ref()
    }

    /// What may still be on its way.
    pub fn results(&self) -> impl Iterator<Item = &Array> {
        self.velocity.iter().chain([&self.arguments[LATENT]])
    }
}

/// Whether `transforms::compile` works here; says so on standard error where it does not.
///
/// On a CPU, MLX calls `g++` at run time and loads what it wrote to the temporary folder. Without `g++` it would silently
/// not compile; without the folder every step would fail.
pub fn probe_compiler(device: DeviceKind) -> bool {
    let outcome = match device {
        DeviceKind::Cpu if !has_gxx() => Err(Exception::custom("g++ is missing")),
        _ => compile_and_run(),
    };
    if let Err(error) = &outcome {
        eprintln!("wanbench-mlx: MLX cannot compile here, so steps run uncompiled and slower: {}", error.what());
    }
    outcome.is_ok()
}

/// Held while MLX may compile. On a CPU it writes kernels into a temporary folder that all processes share, and a process
/// that loads one half-written by another fails ("file too short").
///
/// `None` where the file is another user's: then it goes on as MLX does by itself.
pub fn lock_compiler() -> Option<File> {
    let path = std::env::temp_dir().join("wanbench-mlx-compiling");
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn has_gxx() -> bool {
    let gxx = Command::new("g++").arg("--version").stdin(Stdio::null()).output();
    gxx.is_ok_and(|output| output.status.success())
}

fn compile_and_run() -> Result<(), Exception> {
    let _alone = lock_compiler();
    let mut silu = compile(|x: &Array| -> Result<Array, Exception> { x.multiply(ops::sigmoid(x)?) }, None);
    silu(&Array::from_f32(1.0))?.eval()
}

/// What the compiled function knows besides its arguments: sizes and names, no arrays.
struct Network {
    spec: Spec,
    grid: [usize; 3],
    /// Whether the arguments hold y and the camera.
    has: [bool; 2],
    index: Index,
}

impl Network {
    fn run(&self, arguments: &[Array]) -> Result<Vec<Array>, Exception> {
        let (steps, rest) = arguments.split_at_checked(CONDITIONS).ok_or_else(too_short)?;
        let mut rest = rest.iter();
        let mut next = || rest.next().ok_or_else(too_short);
        let conditions = Conditions {
            rotations: next()?,
            context: next()?,
            y: self.has[0].then(&mut next).transpose()?,
            camera: self.has[1].then(&mut next).transpose()?,
        };
        let weights = Bound { index: &self.index, arrays: rest.as_slice() };
        let model = Model { spec: &self.spec, grid: self.grid, weights };
        Ok(vec![model.forward(&steps[SINUSOID], &steps[LATENT], &conditions)?])
    }
}

fn too_short() -> Exception {
    Exception::custom("the argument list is too short")
}

/// The timestep's sinusoid, `[1, freq_dim]`.
fn sinusoid(t: f32, freq_dim: usize) -> HostTensor {
    HostTensor { shape: vec![1, freq_dim], data: time::sinusoid(t, freq_dim) }
}

/// The rotations as unit complex numbers, `[tokens, 1, pairs]`.
fn rotations(tables: &RopeTables) -> Result<Array> {
    let data: Vec<_> = tables.cos.iter().zip(&tables.sin).map(|(re, im)| mlx_rs::complex64::new(*re, *im)).collect();
    Ok(Array::from_slice(&data, &[tables.tokens as i32, 1, tables.pairs as i32]))
}

fn to_device(tensor: &HostTensor) -> Result<Array> {
    let shape = tensor.shape.iter().map(|extent| i32::try_from(*extent)).collect::<Result<Vec<_>, _>>();
    let shape = shape.with_context(|| format!("MLX takes no tensor of shape {:?}", tensor.shape))?;
    Ok(Array::from_slice(&tensor.data, &shape))
}
