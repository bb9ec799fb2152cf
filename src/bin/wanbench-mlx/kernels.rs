//! Fixed loads, to know the machine by.

use anyhow::Result;
use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype, random, transforms};
use wanbench::protocol::DeviceKind;
use wanbench::worker::{Enqueue, Kernel};

use crate::weights::{mlx_dtype, product_dtype};

/// Prepares `kernel`'s operands on the device; each call of the result enqueues it once, anew.
pub fn prepare(kernel: Kernel, device: DeviceKind) -> Result<Enqueue> {
    match kernel {
        Kernel::Gemm { size, dtype } => {
            let size = i32::try_from(size)?;
            let dtype = product_dtype(device, mlx_dtype(dtype));
            let (a, b) = (noise(&[size, size], dtype)?, noise(&[size, size], dtype)?);
            Ok(repeat(move || a.matmul(&b)))
        }
        Kernel::Copy { bytes } => {
            let source = noise(&[i32::try_from(bytes / size_of::<f32>())?], Dtype::Float32)?;
            // MLX's own copies share the buffer; turning a sign reads and writes every element and computes as good as
            // nothing.
            if std::env::var("COPYMODE").as_deref() == Ok("inplace") {
                let mut source = Some(source);
                return Ok(Box::new(move || { let x = source.take().unwrap(); let y = x.negative()?; drop(x); transforms::async_eval([&y])?; source = Some(y); Ok(()) }));
            }
            if std::env::var("COPYMODE").as_deref() == Ok("keep") {
                let mut last = None;
                return Ok(Box::new(move || { last = None; let y = source.negative()?; transforms::async_eval([&y])?; last = Some(y); let _ = &last; Ok(()) }));
            }
            if std::env::var("COPYMODE").as_deref() == Ok("add") {
                return Ok(repeat(move || source.add(Array::from_f32(0.0))));
            }
            if std::env::var("COPYMODE").as_deref() == Ok("cache") {
                mlx_rs::memory::set_cache_limit(1<<30)?;
                return Ok(repeat(move || source.negative()));
            }
            Ok(repeat(move || source.negative()))
        }
    }
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
