//! What a framework must do for a worker: the whole network over host data, and two kernels to know the machine by.

use std::path::Path;

use anyhow::Result;

use super::{Libraries, LoadingProgress};
use crate::protocol::{Device, DeviceChoice};
use crate::wan::inputs::HostTensor;
use crate::wan::work::Part;
use crate::wan::{Checkpoint, DType, Inputs, Quant, Quantized};

/// The whole network in one framework, over host data.
///
/// Calls come in this order: `open`, then `load`, `prepare`, then any number of `forward` (each followed by
/// `synchronize`) and `advance`. Where two networks share a run, they are of one architecture, quantization and dtype, and
/// the inputs that were prepared serve both.
pub trait Backend: Sized {
    /// Name of the worker program.
    const NAME: &'static str;

    /// The framework's own files.
    const LIBRARIES: Libraries;

    /// Opens the device; [`Unsupported`] where there is none of the kind asked for.
    fn open(choice: DeviceChoice) -> Result<Self>;

    /// The device that was opened.
    fn device(&self) -> Device;

    /// Versions of what decides the speed, by name.
    fn versions(&self) -> Vec<(&'static str, String)>;

    /// Brings a network's weights to the device, one tensor at a time; returns the bytes they take there. The network is in
    /// use where none was; else it waits for [`Backend::switch`].
    fn load(&mut self, source: &Source, loading: &mut LoadingProgress) -> Result<u64>;

    /// Lets go of the network in use and of all its memory.
    fn unload(&mut self) -> Result<()>;

    /// Puts the network that waits into use; the other waits.
    fn switch(&mut self) -> Result<()>;

    /// Brings inputs, already checked against the model, to the device, and the sinusoids of the `timesteps` that passes will
    /// be at: constants, as the rotations are, so that no pass has to wait for the host.
    fn prepare(&mut self, inputs: &Inputs, timesteps: &[f32]) -> Result<()>;

    /// Enqueues v = network(x, t) at the timestep of so many before it; must compute all of it anew at every call.
    fn forward(&mut self, timestep: usize) -> Result<()>;

    /// The same, waiting for each part's end; `lap` hears of it then. No part's time goes to another, and together they are
    /// all of the pass.
    fn forward_by_parts(&mut self, timestep: usize, lap: &mut dyn FnMut(Part)) -> Result<()>;

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

    /// Prepares `kernel`'s operands; each call of the result enqueues it once, anew.
    fn kernel(&mut self, kernel: Kernel) -> Result<Enqueue>;

    /// Writes the weights in use as a quantized checkpoint's file, as [`crate::wan::quantized`] describes it;
    /// [`Unsupported`] where the framework quantizes nothing.
    fn save(&mut self, path: &Path) -> Result<()>;
}

/// Where a network's weights come from, and as what they are to be held.
pub struct Source {
    /// The checkpoint that holds them.
    pub checkpoint: Checkpoint,
    /// The same weights, quantized beforehand as `quant` and `dtype` say.
    pub quantized: Option<Quantized>,
    /// Weight quantization.
    pub quant: Quant,
    /// Arithmetic of activations and of what is not packed.
    pub dtype: DType,
}

/// A fixed load by which a machine's rate is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The product of two square matrices in the arithmetic that `dtype`'s products are computed in.
    Gemm {
        /// Rows and columns.
        size: usize,
        /// Arithmetic of the case.
        dtype: DType,
    },
    /// A copy in the device's memory.
    Copy {
        /// Bytes that are read, and as many written.
        bytes: usize,
    },
}

/// Enqueues a kernel once.
pub type Enqueue = Box<dyn FnMut() -> Result<()>>;

/// The error of a [`Backend`] that cannot run a case at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);
