//! What tch does not offer of libtorch, through `native/accelerator_probe.cpp`.
//!
//! The accelerator is MPS or CUDA, whichever the libtorch at hand knows; a CPU build has none.

use std::ffi::{CStr, c_char, c_int, c_void};

use anyhow::{Result, bail};
use tch::Device;

/// The GPU that libtorch found.
pub struct Accelerator(Device);

impl Accelerator {
    /// The machine's first GPU, if libtorch can use one.
    pub fn find() -> Option<Self> {
        // SAFETY: takes nothing and never throws.
        match unsafe { wb_accelerator() } {
            CUDA => Some(Self(Device::Cuda(INDEX as usize))),
            MPS => Some(Self(Device::Mps)),
            _ => None,
        }
    }

    /// The device under tch's name.
    pub fn device(&self) -> Device {
        self.0
    }

    /// Waits until everything enqueued is computed.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the buffer is as long as said.
        call("synchronize", |error, size| unsafe { wb_synchronize(INDEX, error, size) })
    }

    /// Starts the count of [`Self::peak_bytes`] anew.
    pub fn reset_peak(&self) -> Result<()> {
        // SAFETY: the buffer is as long as said.
        call("reset the memory peak", |error, size| unsafe { wb_reset_peak(INDEX, error, size) })
    }

    /// Most bytes that tensors held at a time since the last reset.
    pub fn peak_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        // SAFETY: `bytes` is the one number that is written, the buffer is as long as said.
        call("read the memory peak", |error, size| unsafe { wb_peak_bytes(INDEX, &mut bytes, error, size) })?;
        Ok(u64::try_from(bytes)?)
    }

    /// Gives the memory that tensors held back to the system; libtorch keeps it for others otherwise.
    pub fn empty_cache(&self) -> Result<()> {
        // SAFETY: the buffer is as long as said.
        call("empty its memory cache", |error, size| unsafe { wb_empty_cache(error, size) })
    }
}

/// A sequence of operations that is enqueued as a whole, without the host's work for each of them.
pub struct Graph(*mut c_void);

impl Graph {
    /// Records `operations` on the CUDA device, after they have run once: what a library prepares at its first use is not to be
    /// recorded. Returns what they gave the second time, which each [`Self::replay`] writes anew.
    ///
    /// All that they read must stay where it is.
    pub fn record<T>(mut operations: impl FnMut() -> Result<T>) -> Result<(Self, T)> {
        let mut made = std::ptr::null_mut();
        call("begin a graph", |error, size| {
            // SAFETY: the buffer is as long as said.
            made = unsafe { wb_graph_new(INDEX, error, size) };
            if made.is_null() { -1 } else { 0 }
        })?;
        let graph = Self(made);
        drop(operations()?);
        // SAFETY: the graph is alive, the buffer is as long as said.
        call("record a graph", |error, size| unsafe { wb_graph_record(graph.0, INDEX, error, size) })?;
        let recorded = operations()?;
        // SAFETY: the graph is alive, the buffer is as long as said.
        call("end a graph", |error, size| unsafe { wb_graph_end(graph.0, error, size) })?;
        Ok((graph, recorded))
    }

    /// Enqueues the operations.
    pub fn replay(&self) -> Result<()> {
        // SAFETY: the graph is alive, the buffer is as long as said.
        call("replay a graph", |error, size| unsafe { wb_graph_replay(self.0, error, size) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: the graph is ours and freed once, on the thread that made it, as the type is not Send.
        unsafe { wb_graph_free(self.0) };
    }
}

/// The libtorch that this program was compiled against.
pub fn torch_version() -> String {
    // SAFETY: takes nothing, gives a string constant.
    unsafe { CStr::from_ptr(wb_torch_version()) }.to_string_lossy().into_owned()
}

/// Turns off TF32: f32 means f32.
pub fn full_precision() -> Result<()> {
    // SAFETY: the buffer is as long as said.
    call("turn off TF32", |error, size| unsafe { wb_full_precision(error, size) })
}

/// While it lives, this thread's operations keep no autograd state at all. It cannot leave the thread.
pub struct InferenceMode(*mut c_void);

impl InferenceMode {
    /// Enters the mode.
    pub fn enter() -> Self {
        // SAFETY: takes nothing; the result goes to `wb_inference_leave` once, on this thread, as the type is not Send.
        Self(unsafe { wb_inference_enter() })
    }
}

impl Drop for InferenceMode {
    fn drop(&mut self) {
        // SAFETY: see `enter`.
        unsafe { wb_inference_leave(self.0) }
    }
}

/// `c10::DeviceType`.
const CUDA: c_int = 1;
const MPS: c_int = 13;

/// The first device of its kind: a worker measures one.
const INDEX: c_int = 0;

/// Calls a function of the probe with room for its reason, should it fail.
fn call(what: &str, function: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<()> {
    let mut reason = [0u8; 1024];
    if function(reason.as_mut_ptr().cast(), reason.len()) == 0 {
        return Ok(());
    }
    let text = CStr::from_bytes_until_nul(&reason).map_or("unknown reason".into(), CStr::to_string_lossy);
    bail!("libtorch cannot {what}: {text}");
}

unsafe extern "C" {
    fn wb_torch_version() -> *const c_char;
    fn wb_accelerator() -> c_int;
    fn wb_synchronize(device: c_int, error: *mut c_char, size: usize) -> c_int;
    fn wb_peak_bytes(device: c_int, bytes: *mut i64, error: *mut c_char, size: usize) -> c_int;
    fn wb_reset_peak(device: c_int, error: *mut c_char, size: usize) -> c_int;
    fn wb_empty_cache(error: *mut c_char, size: usize) -> c_int;
    fn wb_graph_new(device: c_int, error: *mut c_char, size: usize) -> *mut c_void;
    fn wb_graph_record(graph: *mut c_void, device: c_int, error: *mut c_char, size: usize) -> c_int;
    fn wb_graph_end(graph: *mut c_void, error: *mut c_char, size: usize) -> c_int;
    fn wb_graph_replay(graph: *mut c_void, error: *mut c_char, size: usize) -> c_int;
    fn wb_graph_free(graph: *mut c_void);
    fn wb_full_precision(error: *mut c_char, size: usize) -> c_int;
    fn wb_inference_enter() -> *mut c_void;
    fn wb_inference_leave(mode: *mut c_void);
}
