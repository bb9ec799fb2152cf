//! Fixed loads, to know the machine by.

use anyhow::{Context, Result};
use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype, ops, random, transforms};
use wanbench::worker::{Enqueue, Kernel};

use crate::hardware::Hardware;
use crate::weights::mlx_dtype;

/// Prepares `kernel`'s operands on the device; each call of the result enqueues it once, anew.
pub fn prepare(kernel: Kernel, hardware: Hardware) -> Result<Enqueue> {
    match kernel {
        Kernel::Gemm { size, dtype } => {
            let size = i32::try_from(size)?;
            let dtype = hardware.product_dtype(mlx_dtype(dtype));
            let (a, b) = (noise(&[size, size], dtype)?, noise(&[size, size], dtype)?);
            Ok(repeat(move || a.matmul(&b)))
        }
        Kernel::Copy { bytes } => {
            let elements = i32::try_from(bytes / size_of::<f32>())?;
            let array = ops::arange::<i32, f32>(None, elements, None)?;
            array.eval()?;
            rewrite(array)
        }
    }
}

/// Reads and writes every element of `array`, in place: it turns their signs, which computes as good as nothing.
///
/// MLX's own copies share their source's buffer, and one that does not takes new memory, whose pages a CPU's system hands out
/// at a tenth of the memory's rate. An operand that nobody else holds is overwritten by the result.
fn rewrite(array: Array) -> Result<Enqueue> {
    let mut held = Some(array);
    Ok(Box::new(move || {
        let before = held.take().context("an earlier copy failed")?;
        let after = before.negative()?;
        drop(before);
        transforms::async_eval([&after])?;
        held = Some(after);
        Ok(())
    }))
}

/// Builds a new graph at each call, since what is evaluated once is not computed again. The result may be dropped: what is
/// enqueued holds its own buffers.
fn repeat(mut graph: impl FnMut() -> Result<Array, Exception> + 'static) -> Enqueue {
    Box::new(move || Ok(transforms::async_eval([&graph()?])?))
}

fn noise(shape: &[i32], dtype: Dtype) -> Result<Array, Exception> {
    let array = random::uniform::<_, f32>(-1.0, 1.0, shape, None)?.as_dtype(dtype)?;
    array.eval()?;
    Ok(array)
}
