//! The network as a function that steps call: its argument list, compiled once.
//!
//! Invariant: every array that a step reads is an argument of the compiled function, never captured by it. So the weights
//! of another network of the same architecture, quantization and dtype can be given instead without compiling anew, and
//! nothing here keeps a network's weights alive.

use std::rc::Rc;

use anyhow::{Context, Result};
use mlx_rs::Array;
use mlx_rs::error::Exception;
use mlx_rs::ops::indexing::TryIndexOp;
use mlx_rs::transforms::{self, compile::compile};
use wanbench::wan::inputs::HostTensor;
use wanbench::wan::rope::{self, RopeTables};
use wanbench::wan::work::Part;
use wanbench::wan::{Inputs, Spec, time};

use crate::attention::Attention;
use crate::model::{Conditions, Ends, Model};
use crate::weights::{Bound, Index, Weights};

/// A network's function with its inputs.
pub struct Forward {
    network: Rc<Network>,
    function: Function,
    /// The sinusoid of each timestep, `[1, freq_dim]`.
    sinusoids: Vec<Array>,
    /// The arguments before the weights'; of these, steps replace the first two.
    inputs: Vec<Array>,
    velocity: Option<Array>,
}

type Function = Box<dyn FnMut(&[Array]) -> Result<Vec<Array>, Exception>>;

/// Slots of the arguments that steps replace; conditions follow.
const SINUSOID: usize = 0;
const LATENT: usize = 1;
const CONDITIONS: usize = 2;

impl Forward {
    /// Brings the inputs and the sinusoids of `timesteps` to the device and makes the function for their shapes and for networks
    /// like `weights`.
    pub fn prepare(
        weights: &Weights,
        inputs: &Inputs,
        timesteps: &[f32],
        attention: Rc<Attention>,
        compiles: bool,
    ) -> Result<Self> {
        let (spec, index) = (weights.spec.clone(), Rc::clone(&weights.index));
        let grid = spec.grid(inputs.latent()).map_err(anyhow::Error::msg)?;
        let optional = [inputs.y.as_ref(), inputs.camera.as_ref(), inputs.image.as_ref()];
        let sinusoids = sinusoids(timesteps, spec.freq_dim)?;
        let first = sinusoids.first().context("there is no timestep to prepare for")?;
        let network = Rc::new(Network { grid, has: optional.map(|input| input.is_some()), spec, index, attention });
        let inputs = network.arguments(first, inputs, optional)?;
        transforms::eval(inputs.iter().chain(&sinusoids)).context("cannot bring the inputs to the device")?;

        let whole = Rc::clone(&network);
        let run = move |arguments: &[Array]| whole.run(arguments, &mut |_, _| Ok(()));
        let function: Function = if compiles { Box::new(compile(run, None)) } else { Box::new(run) };
        Ok(Self { network, function, sinusoids, inputs, velocity: None })
    }

    /// The graph of v = network(x, t) at the timestep of so many before it, not yet evaluated.
    pub fn step(&mut self, timestep: usize, weights: &Weights) -> Result<&Array> {
        let arguments = self.arguments(timestep, weights)?;
        let outputs = (self.function)(&arguments).context("cannot build the forward pass")?;
        self.keep(outputs)
    }

    /// The same, uncompiled, evaluated part by part; `lap` hears of each part's end.
    pub fn step_by_parts(&mut self, timestep: usize, weights: &Weights, lap: &mut dyn FnMut(Part)) -> Result<()> {
        let arguments = self.arguments(timestep, weights)?;
        let mut ends = |part, results: &[&Array]| {
            // All that the part enqueued leads to these, so nothing is under way after.
            transforms::eval(results.iter().copied())?;
            lap(part);
            Ok(())
        };
        let outputs = self.network.run(&arguments, &mut ends).context("MLX failed in a part of the network")?;
        self.keep(outputs).map(drop)
    }

    /// The graph of x ← x + delta_sigma · v, in f32.
    pub fn advance(&mut self, delta_sigma: f32) -> Result<&Array> {
        let velocity = self.velocity().context("no forward pass has run yet")?;
        let delta = velocity.multiply(Array::from_f32(delta_sigma))?;
        self.inputs[LATENT] = self.inputs[LATENT].add(delta)?;
        Ok(&self.inputs[LATENT])
    }

    /// The latent x, f32 `[channels, frames, height, width]`.
    pub fn latent(&self) -> &Array {
        &self.inputs[LATENT]
    }

    /// The last v, f32 of x's shape.
    pub fn velocity(&self) -> Option<&Array> {
        self.velocity.as_ref()
    }

    /// What may still be on its way.
    pub fn results(&self) -> impl Iterator<Item = &Array> {
        self.velocity.iter().chain([&self.inputs[LATENT]])
    }

    /// All arguments of a step; handles of the weights, not copies.
    fn arguments(&mut self, timestep: usize, weights: &Weights) -> Result<Vec<Array>> {
        let sinusoid = self.sinusoids.get(timestep).context("a step is at a timestep that was not prepared for")?;
        self.inputs[SINUSOID] = sinusoid.clone();
        Ok([self.inputs.as_slice(), &weights.arrays].concat())
    }

    fn keep(&mut self, outputs: Vec<Array>) -> Result<&Array> {
        let velocity = outputs.into_iter().next().context("the forward pass has no output")?;
        Ok(self.velocity.insert(velocity))
    }
}

/// What the function knows besides its arguments: sizes and names, no arrays.
struct Network {
    spec: Spec,
    grid: [usize; 3],
    /// Whether the arguments hold y, the camera and the image.
    has: [bool; 3],
    index: Rc<Index>,
    attention: Rc<Attention>,
}

impl Network {
    /// The arguments before the weights', not yet evaluated.
    fn arguments(&self, sinusoid: &Array, inputs: &Inputs, optional: [Option<&HostTensor>; 3]) -> Result<Vec<Array>> {
        let to_dtype =
            |tensor: &HostTensor| to_device(tensor)?.as_dtype(self.index.dtype).context("cannot cast an input");
        let mut arguments = vec![sinusoid.clone(), to_device(&inputs.x)?];
        arguments.push(rotations(&rope::tables(&self.spec, self.grid))?);
        arguments.push(to_dtype(&inputs.padded_context(&self.spec))?);
        for input in optional.into_iter().flatten() {
            arguments.push(to_dtype(input)?);
        }
        Ok(arguments)
    }

    fn run(&self, arguments: &[Array], ends: &mut Ends) -> Result<Vec<Array>, Exception> {
        let (steps, rest) = arguments.split_at_checked(CONDITIONS).ok_or_else(too_short)?;
        let mut rest = rest.iter();
        let mut next = || rest.next().ok_or_else(too_short);
        let conditions = Conditions {
            rotations: next()?,
            context: next()?,
            y: self.has[0].then(&mut next).transpose()?,
            camera: self.has[1].then(&mut next).transpose()?,
            image: self.has[2].then(&mut next).transpose()?,
        };
        let weights = Bound { index: &self.index, arrays: rest.as_slice() };
        let model = Model { spec: &self.spec, grid: self.grid, weights, attention: &self.attention };
        Ok(vec![model.forward(&steps[SINUSOID], &steps[LATENT], &conditions, ends)?])
    }
}

fn too_short() -> Exception {
    Exception::custom("the argument list is too short")
}

/// The sinusoid of each timestep, `[1, freq_dim]`: rows of one array.
fn sinusoids(timesteps: &[f32], freq_dim: usize) -> Result<Vec<Array>> {
    let all = to_device(&time::sinusoids(timesteps, freq_dim))?;
    let rows = (0..timesteps.len() as i32).map(|row| all.try_index(row..row + 1));
    rows.collect::<Result<_, _>>().context("cannot bring the timesteps to the device")
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
