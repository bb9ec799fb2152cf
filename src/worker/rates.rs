//! The machine's own rates, to compare a step's with, so that a slow program and a slow machine can be distinguished.

use std::time::Duration;

use anyhow::Result;

use super::clock::timed;
use super::{Backend, Kernel};
use crate::protocol::Rates;
use crate::wan::DType;

/// Sizes of the square product that are tried, rising: the first that lasts is taken, so that a GPU is not judged by the
/// time of a launch and a laptop does not wait.
const GEMM_SIZES: [usize; 4] = [1024, 2048, 4096, 8192];

/// From here on a product lasts.
const LASTING: Duration = Duration::from_millis(5);

/// Bytes of a copy: beyond any cache.
const COPY_BYTES: usize = 128 << 20;

/// Timed runs of a kernel; the fastest counts, since disturbances only add time.
const RUNS: usize = 5;

/// Measures both rates. The operands are beside whatever is loaded, so peaks are read before.
pub fn rates<B: Backend>(backend: &mut B, dtype: DType) -> Result<Rates> {
    let mut gemm_flops_per_second: f64 = 0.0;
    for size in GEMM_SIZES {
        let seconds = fastest(backend, Kernel::Gemm { size, dtype })?;
        gemm_flops_per_second = gemm_flops_per_second.max(2.0 * (size as f64).powi(3) / seconds);
        if seconds >= LASTING.as_secs_f64() {
            break;
        }
    }
    let seconds = fastest(backend, Kernel::Copy { bytes: COPY_BYTES })?;
    Ok(Rates { gemm_flops_per_second, copy_bytes_per_second: 2.0 * COPY_BYTES as f64 / seconds })
}

/// Seconds of the fastest of a few runs, after one that is not counted.
fn fastest<B: Backend>(backend: &mut B, kernel: Kernel) -> Result<f64> {
    let mut enqueue = backend.kernel(kernel)?;
    let mut run = || timed(backend, |_| enqueue());
    run()?;
    (0..RUNS).try_fold(f64::INFINITY, |fastest, _| Ok(fastest.min(run()?)))
}
