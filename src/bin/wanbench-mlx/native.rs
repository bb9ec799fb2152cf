//! What mlx-rs 0.33 has no safe call for: mlx-c, wrapped. The only unsafe code of this worker besides `main`.
//!
//! Each function here that is not `unsafe` is safe to call with any arguments: mlx-c checks shapes and modes itself and returns a status. The
//! caller must have made one safe call of mlx-rs before, so that its error handler is in place ([`crate::Mlx`] does).
//!
//! mlx-rs keeps MLX's own words on a failed raw call to itself, so the errors here name the call and its arguments.

use std::ffi::{CStr, CString};
use std::ptr;

use anyhow::{Context, Result, ensure};
use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype, Stream};
use wanbench::wan::quant::Layout;

use crate::hardware::Hardware;

/// A quantized matrix, as MLX lays it out.
pub struct Packed<A> {
    /// The packed integers or floats.
    pub weight: A,
    /// One scale per group.
    pub scales: A,
    /// One offset per group; affine mode only.
    pub biases: Option<A>,
}

/// Quantizes the rows of `w` in any of MLX's modes.
pub fn quantize(w: &Array, layout: Layout) -> Result<Packed<Array>> {
    let stream = Stream::thread_local_or_default();
    let mode = mode_name(layout)?;
    let mut parts = Parts::new();
    // SAFETY: all handles live through the call; a null global scale means none.
    let status = unsafe {
        mlx_sys::mlx_quantize(
            &mut parts.0,
            w.as_ptr(),
            some(layout.group_size),
            some(layout.bits),
            mode.as_ptr(),
            NO_ARRAY,
            stream.as_ptr(),
        )
    };
    ensure!(status == 0, "MLX cannot quantize a weight of shape {:?} as {layout:?}", w.shape());
    Ok(Packed {
        weight: parts.get(0)?,
        scales: parts.get(1)?,
        biases: (parts.len() > 2).then(|| parts.get(2)).transpose()?,
    })
}

/// The matrix that `packed` stands for, as `dtype`.
pub fn dequantize(packed: &Packed<&Array>, layout: Layout, dtype: Dtype) -> Result<Array, Exception> {
    let stream = Stream::thread_local_or_default();
    let mode = mode_name(layout)?;
    let dtype = mlx_sys::mlx_optional_dtype { value: dtype.into(), has_value: true };
    // SAFETY: all handles live through the call, `res` is an empty handle that MLX fills; null arrays mean none.
    array("dequantize", layout, |res| unsafe {
        mlx_sys::mlx_dequantize(
            res,
            packed.weight.as_ptr(),
            packed.scales.as_ptr(),
            packed.biases.map_or(NO_ARRAY, Array::as_ptr),
            some(layout.group_size),
            some(layout.bits),
            mode.as_ptr(),
            NO_ARRAY,
            dtype,
            stream.as_ptr(),
        )
    })
}

/// x · wᵀ without unpacking w in memory.
pub fn quantized_matmul(x: &Array, packed: &Packed<&Array>, layout: Layout) -> Result<Array, Exception> {
    let stream = Stream::thread_local_or_default();
    let mode = mode_name(layout)?;
    // SAFETY: all handles live through the call, `res` is an empty handle that MLX fills; null biases mean none.
    array("multiply by", layout, |res| unsafe {
        mlx_sys::mlx_quantized_matmul(
            res,
            x.as_ptr(),
            packed.weight.as_ptr(),
            packed.scales.as_ptr(),
            packed.biases.map_or(NO_ARRAY, Array::as_ptr),
            true,
            some(layout.group_size),
            some(layout.bits),
            mode.as_ptr(),
            stream.as_ptr(),
        )
    })
}

/// Waits until the stream has nothing left to do.
pub fn synchronize(stream: &Stream) -> Result<()> {
    // SAFETY: the handle lives through the call.
    let status = unsafe { mlx_sys::mlx_synchronize(stream.as_ptr()) };
    ensure!(status == 0, "MLX failed while its stream was synchronized");
    Ok(())
}

/// Version of the MLX library in use. It cannot fail there, so it may be the program's first call of MLX.
pub fn version() -> Result<String> {
    // SAFETY: MLX fills the string that we own; its text is copied before it is freed, once.
    unsafe {
        let mut text = mlx_sys::mlx_string_new();
        let status = mlx_sys::mlx_version(&mut text);
        let data = mlx_sys::mlx_string_data(text);
        let version = (status == 0 && !data.is_null()).then(|| CStr::from_ptr(data).to_string_lossy().into_owned());
        mlx_sys::mlx_string_free(text);
        version.context("MLX does not tell its version")
    }
}

/// What drives the GPU.
pub fn gpu() -> Hardware {
    let mut has_cuda = false;
    // SAFETY: the call only writes the flag it is given.
    let status = unsafe { mlx_sys::mlx_cuda_is_available(&mut has_cuda) };
    if status == 0 && has_cuda { Hardware::Cuda } else { Hardware::Metal }
}

/// Major and minor compute capability of the first CUDA device, if MLX tells.
pub fn compute_capability() -> Option<(usize, usize)> {
    // SAFETY: the handles are new and freed once; the calls write the values they are given.
    unsafe {
        let device = mlx_sys::mlx_device_new_type(mlx_sys::mlx_device_type__MLX_GPU, 0);
        let mut info = mlx_sys::mlx_device_info_new();
        let is_told = mlx_sys::mlx_device_info_get(&mut info, device) == 0;
        let size = |key: &CStr| {
            let mut value = 0;
            let status = mlx_sys::mlx_device_info_get_size(&mut value, info, key.as_ptr());
            (status == 0).then_some(value)
        };
        let capability = is_told.then(|| size(c"compute_capability_major").zip(size(c"compute_capability_minor")));
        mlx_sys::mlx_device_info_free(info);
        mlx_sys::mlx_device_free(device);
        capability.flatten()
    }
}

/// A CUDA kernel of our own, compiled by MLX at its first use.
pub struct CudaKernel(mlx_sys::mlx_fast_cuda_kernel);

/// One launch of a [`CudaKernel`].
pub struct Launch<'a> {
    /// Shapes of the outputs, all of them f32.
    pub outputs: &'a [&'a [i32]],
    /// Threads of the grid, those of all blocks together.
    pub grid: [i32; 3],
    /// Threads of a block.
    pub block: [i32; 3],
    /// Constants of the kernel's source, by name.
    pub constants: &'a [(&'a CStr, usize)],
}

impl CudaKernel {
    /// The kernel whose body is `source`, after `header`; it finds inputs, outputs and what it asks of an input's shape and
    /// strides (`NAME_shape`, `NAME_strides`) by name. MLX keeps what it compiled by `name` alone, so another source must have
    /// another name.
    pub fn new(
        name: &CStr,
        inputs: &[&CStr],
        outputs: &[&CStr],
        source: &CStr,
        header: &CStr,
        shared_bytes: usize,
    ) -> Result<Self> {
        let (inputs, outputs) = (Names::new(inputs), Names::new(outputs));
        // SAFETY: all handles and texts live through the call, which copies what it keeps. Inputs are taken as they lie.
        let kernel = unsafe {
            mlx_sys::mlx_fast_cuda_kernel_new(
                name.as_ptr(),
                inputs.0,
                outputs.0,
                source.as_ptr(),
                header.as_ptr(),
                false,
                i32::try_from(shared_bytes)?,
            )
        };
        ensure!(!kernel.ctx.is_null(), "MLX takes no CUDA kernel {}", name.to_string_lossy());
        Ok(Self(kernel))
    }

    /// The outputs of one launch over `inputs`, not yet evaluated.
    ///
    /// # Safety
    /// Over these inputs and with this launch the kernel must read and write nothing beyond its inputs and outputs; an output
    /// that it does not write whole must not be read.
    pub unsafe fn apply(&self, inputs: &[&Array], launch: &Launch) -> Result<Vec<Array>, Exception> {
        let stream = Stream::thread_local_or_default();
        let (settings, mut outputs) = (LaunchSettings::new(launch)?, Parts::new());
        // SAFETY: all handles live through the call; the vector takes references of its own to the inputs.
        let status = unsafe {
            let handles: Vec<_> = inputs.iter().map(|input| input.as_ptr()).collect();
            let inputs = Parts(mlx_sys::mlx_vector_array_new_data(handles.as_ptr(), handles.len()));
            mlx_sys::mlx_fast_cuda_kernel_apply(&mut outputs.0, self.0, inputs.0, settings.0, stream.as_ptr())
        };
        if status != 0 {
            return Err(Exception::custom("MLX cannot launch a CUDA kernel of wanbench's own"));
        }
        (0..outputs.len())
            .map(|index| outputs.get(index).map_err(|error| Exception::custom(error.to_string())))
            .collect()
    }
}

impl Drop for CudaKernel {
    fn drop(&mut self) {
        // SAFETY: the kernel is ours and freed once; arrays that were made with it hold what they need of it.
        unsafe { mlx_sys::mlx_fast_cuda_kernel_free(self.0) };
    }
}

/// How a kernel is launched, in mlx-c's form.
struct LaunchSettings(mlx_sys::mlx_fast_cuda_kernel_config);

impl LaunchSettings {
    fn new(launch: &Launch) -> Result<Self, Exception> {
        let ([x, y, z], [block_x, block_y, block_z]) = (launch.grid, launch.block);
        // SAFETY: the handle is new, and ours until it is dropped; shapes and names live through the calls.
        let (settings, status) = unsafe {
            let settings = Self(mlx_sys::mlx_fast_cuda_kernel_config_new());
            let mut status = mlx_sys::mlx_fast_cuda_kernel_config_set_grid(settings.0, x, y, z)
                | mlx_sys::mlx_fast_cuda_kernel_config_set_thread_group(settings.0, block_x, block_y, block_z);
            for shape in launch.outputs {
                let (data, dims) = (shape.as_ptr(), shape.len());
                let dtype = Dtype::Float32.into();
                status |= mlx_sys::mlx_fast_cuda_kernel_config_add_output_arg(settings.0, data, dims, dtype);
            }
            for (name, value) in launch.constants {
                let (name, value) = (name.as_ptr(), *value as i32);
                status |= mlx_sys::mlx_fast_cuda_kernel_config_add_template_arg_int(settings.0, name, value);
            }
            (settings, status)
        };
        if status == 0 { Ok(settings) } else { Err(Exception::custom("MLX takes no such launch of a CUDA kernel")) }
    }
}

impl Drop for LaunchSettings {
    fn drop(&mut self) {
        // SAFETY: the settings are ours and freed once.
        unsafe { mlx_sys::mlx_fast_cuda_kernel_config_free(self.0) };
    }
}

/// An owned vector of names.
struct Names(mlx_sys::mlx_vector_string);

impl Names {
    fn new(names: &[&CStr]) -> Self {
        let mut names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: the texts live through the call, which copies them.
        Self(unsafe { mlx_sys::mlx_vector_string_new_data(names.as_mut_ptr(), names.len()) })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // SAFETY: the vector is ours and freed once.
        unsafe { mlx_sys::mlx_vector_string_free(self.0) };
    }
}

/// mlx-c's way to leave an optional array out.
const NO_ARRAY: mlx_sys::mlx_array = mlx_sys::mlx_array { ctx: ptr::null_mut() };

fn some(value: usize) -> mlx_sys::mlx_optional_int {
    // Bits and group sizes are small constants.
    mlx_sys::mlx_optional_int { value: value as i32, has_value: true }
}

fn mode_name(layout: Layout) -> Result<CString, Exception> {
    CString::new(layout.mode).map_err(|_| Exception::custom("a quantization mode holds a null byte"))
}

fn array(what: &str, layout: Layout, call: impl FnOnce(&mut mlx_sys::mlx_array) -> i32) -> Result<Array, Exception> {
    let mut res = NO_ARRAY;
    if call(&mut res) != 0 {
        return Err(Exception::custom(format!("MLX cannot {what} a weight quantized as {layout:?}")));
    }
    // SAFETY: after success the handle is a new array that nobody else owns.
    Ok(unsafe { Array::from_ptr(res) })
}

/// An owned vector of arrays.
struct Parts(mlx_sys::mlx_vector_array);

impl Parts {
    fn new() -> Self {
        // SAFETY: makes an empty vector.
        Self(unsafe { mlx_sys::mlx_vector_array_new() })
    }

    fn len(&self) -> usize {
        // SAFETY: the vector is ours.
        unsafe { mlx_sys::mlx_vector_array_size(self.0) }
    }

    fn get(&self, index: usize) -> Result<Array> {
        ensure!(index < self.len(), "MLX returned {} arrays, expected more than {index}", self.len());
        let mut array = NO_ARRAY;
        // SAFETY: the index is in range; MLX fills the empty handle with a reference of its own.
        let status = unsafe { mlx_sys::mlx_vector_array_get(&mut array, self.0, index) };
        ensure!(status == 0, "MLX does not hand out array {index} of a result");
        // SAFETY: the handle is a new one that nobody else owns.
        Ok(unsafe { Array::from_ptr(array) })
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // SAFETY: the vector is ours and freed once; arrays taken from it hold references of their own.
        unsafe { mlx_sys::mlx_vector_array_free(self.0) };
    }
}
