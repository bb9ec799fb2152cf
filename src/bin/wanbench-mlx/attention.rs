//! Attention: MLX's own, or in f32 on CUDA the kernel of `attention.cuh`, since MLX's fused one knows half precision alone there and
//! keeps all scores in memory otherwise. Metal's fused one takes every dtype.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ffi::{CStr, CString};

use anyhow::Result;
use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype, fast};
use sha2::{Digest, Sha256};
use wanbench::text::format;

use crate::hardware::Hardware;
use crate::native::{self, CudaKernel, Launch};

/// Scaled dot-product attention over `[rows, heads, head_dim]`; the results have the heads side by side again, `[rows, dim]`.
pub struct Attention {
    /// For f32, by the width of a head; empty where MLX's own attention serves.
    kernels: HashMap<usize, Fused>,
}

impl Attention {
    /// With the kernels that the GPU can run: not all have the shared memory for the fastest.
    pub fn new(hardware: Hardware) -> Result<Self> {
        let capability = if hardware == Hardware::Cuda { native::compute_capability() } else { None };
        let shared_bytes = capability.map_or(0, most_shared_bytes);
        let mut kernels = HashMap::new();
        for shape in SHAPES.into_iter().filter(|shape| shape.shared_bytes() <= shared_bytes) {
            if let Entry::Vacant(place) = kernels.entry(shape.head_dim) {
                place.insert(Fused::new(shape)?);
            }
        }
        Ok(Self { kernels })
    }

    /// The widths of heads for which f32 is computed by `attention.cuh`.
    pub fn head_dims(&self) -> BTreeSet<usize> {
        self.kernels.keys().copied().collect()
    }

    /// What q attends to, computed as `wide`.
    pub fn attend(&self, q: &Array, k: &Array, v: &Array, wide: Dtype) -> Result<Array, Exception> {
        let kernel = self.kernels.get(&(q.shape()[2] as usize)).filter(|_| q.dtype() == Dtype::Float32);
        match kernel {
            Some(fused) => fused.attend(q, k, v),
            None => attend(q, k, v, wide),
        }
    }
}

fn attend(q: &Array, k: &Array, v: &Array, wide: Dtype) -> Result<Array, Exception> {
    let heads_first = |x: &Array| x.as_dtype(wide)?.transpose_axes(&[1, 0, 2])?.expand_dims(0);
    let scale = (q.shape()[2] as f32).sqrt().recip();
    let attended =
        fast::scaled_dot_product_attention(heads_first(q)?, heads_first(k)?, heads_first(v)?, scale, None, None)?;
    attended.as_dtype(q.dtype())?.squeeze_axes(&[0])?.transpose_axes(&[1, 0, 2])?.flatten(1, None)
}

/// How `attention.cuh` is instantiated for a width of heads.
#[derive(Clone, Copy)]
struct Shape {
    head_dim: usize,
    /// Queries of a block.
    rows: usize,
    /// Keys of a tile.
    keys: usize,
}

/// The first of a width that a GPU can run is taken. The very first is the fastest on an H200, see docs/gpu.md, and takes 104 KiB of
/// shared memory; the others take 71 and 76 KiB, which GPUs from 2020 on have.
const SHAPES: [Shape; 3] = [
    Shape { head_dim: 64, rows: 128, keys: 64 },
    Shape { head_dim: 64, rows: 128, keys: 32 },
    Shape { head_dim: 128, rows: 64, keys: 32 },
];

impl Shape {
    /// Shared memory of a block: the source asserts that it is what it uses.
    fn shared_bytes(self) -> usize {
        let Self { head_dim, rows, keys } = self;
        ((rows + 2 * keys) * (head_dim + 4) + rows * (keys + LANES)) * size_of::<f32>()
    }
}

/// Shared memory that a block may have at most on a GPU of this compute capability; none where the kernel's asynchronous copies are
/// missing. Source: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; what is newer than that is taken to
/// have as little as any since 8.0.
fn most_shared_bytes(capability: (usize, usize)) -> usize {
    let kib = match capability {
        (..8, _) => 0,
        (8, 0 | 7) => 163,
        (9..12, _) => 227,
        (8 | 12.., _) => 99,
    };
    kib << 10
}

/// Threads of a block and lanes of a row, as the source asserts.
const THREADS: i32 = 128;
const LANES: usize = 8;
/// Threads of a block that joins shares, as the source asserts.
const MERGE_THREADS: i32 = 256;

/// Most shares of the keys that are computed side by side: with 6 the last blocks leave little of an H200 idle, at the price of
/// that many results in memory.
const MOST_SHARES: i32 = 6;
/// Fewest tiles of a share, whose queries are fetched anew.
const LEAST_TILES: i32 = 2;

/// The kernel of one shape.
struct Fused {
    shape: Shape,
    kernel: CudaKernel,
}

const HEADER: &str = include_str!("attention.cuh");

/// Both stages are one kernel: MLX compiles each of them anew in every process, for more than a second, most of which its own headers
/// take. The second stage's inputs come under the names of the first's: parts as `q`, and the logarithms of their sums as `k`.
const SOURCE: &str = "
    static_assert(wanbench::SHARED_FLOATS<DIM, ROWS, KEYS> * sizeof(float) == SHARED && wanbench::THREADS == BLOCK);
    static_assert(wanbench::MERGE_THREADS == MERGE_BLOCK);
    extern __shared__ float4 shared[];
    if (blockDim.x == MERGE_BLOCK) {
        wanbench::merge<DIM, SHARES>(q, k, q_shape[0], q_shape[1], k_shape[1], out);
        return;
    }
    auto view = [](const float* data, const auto& shape, const auto& strides) {
        return wanbench::View{data + blockIdx.y * strides[1], long(strides[0]), shape[0]};
    };
    wanbench::attend<DIM, ROWS, KEYS>(
        view(q, q_shape, q_strides), view(k, k_shape, k_strides), view(v, v_shape, v_strides),
        out, log_sums, reinterpret_cast<float*>(shared));
";

impl Fused {
    fn new(shape: Shape) -> Result<Self> {
        let hash = Sha256::new().chain_update(HEADER).chain_update(SOURCE).finalize();
        let name = CString::new(format!("wanbench_attention_{}", format::hexadecimal(&hash[..4])))?;
        let (inputs, outputs) = ([c"q", c"k", c"v"], [c"out", c"log_sums"]);
        let (source, header) = (CString::new(SOURCE)?, CString::new(HEADER)?);
        let kernel = CudaKernel::new(&name, &inputs, &outputs, &source, &header, shape.shared_bytes())?;
        Ok(Self { shape, kernel })
    }

    fn attend(&self, q: &Array, k: &Array, v: &Array) -> Result<Array, Exception> {
        let Shape { head_dim, rows, keys } = self.shape;
        let is_as_written = k.shape() == v.shape() && k.shape()[1..] == q.shape()[1..];
        if !is_as_written || [q, k, v].iter().any(|x| x.dtype() != Dtype::Float32) {
            return Err(Exception::custom("attention takes f32 rows of as many heads"));
        }
        let (queries, heads) = (q.shape()[0], q.shape()[1]);
        let dim = heads * head_dim as i32;
        let tiles = pieces(k.shape()[0], keys as i32);
        let shares = (tiles / LEAST_TILES).clamp(1, MOST_SHARES);
        let launch = Launch {
            outputs: &[&[shares, queries, dim], &[shares, heads, queries]],
            grid: [pieces(queries, rows as i32) * THREADS, heads, shares],
            block: [THREADS, 1, 1],
            constants: &self.constants(),
        };
        // SAFETY: all three are f32 `[rows, heads, head_dim]` with a head's features side by side, as the network's projections are;
        // the grid has a block for every tile of queries, head and share, and what is beyond the rows is neither read nor written.
        let outputs = unsafe { self.kernel.apply(&[q, k, v], &launch) }?;
        let [parts, log_sums] = outputs.as_slice() else { return Err(Exception::custom("attention has two outputs")) };
        if shares == 1 {
            return parts.reshape(&[queries, dim]);
        }
        let threads = queries * dim / 4;
        let launch = Launch {
            outputs: &[&[queries, dim], &[1]],
            grid: [pieces(threads, MERGE_THREADS) * MERGE_THREADS, 1, 1],
            block: [MERGE_THREADS, 1, 1],
            constants: &self.constants(),
        };
        // SAFETY: the first two inputs are as the first stage wrote them, the third is not read; there is a thread for each four
        // features. The second output is not written, and dropped here.
        let outputs = unsafe { self.kernel.apply(&[parts, log_sums, log_sums], &launch) }?;
        outputs.into_iter().next().ok_or_else(|| Exception::custom("a merge has one output"))
    }

    /// The same for both stages: MLX compiles a kernel anew for other constants.
    fn constants(&self) -> [(&'static CStr, usize); 7] {
        let Shape { head_dim, rows, keys } = self.shape;
        [
            (c"DIM", head_dim),
            (c"ROWS", rows),
            (c"KEYS", keys),
            (c"SHARED", self.shape.shared_bytes()),
            (c"BLOCK", THREADS as usize),
            (c"MERGE_BLOCK", MERGE_THREADS as usize),
            (c"SHARES", MOST_SHARES as usize),
        ]
    }
}

/// How many pieces of a `size` cover a `length`.
fn pieces(length: i32, size: i32) -> i32 {
    (length + size - 1) / size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gpu_gets_the_fastest_shape_that_fits() {
        let keys = |capability| {
            let fits = |shape: &&Shape| shape.head_dim == 64 && shape.shared_bytes() <= most_shared_bytes(capability);
            SHAPES.iter().find(fits).map(|shape| shape.keys)
        };
        let [turing, ampere, ada, hopper, blackwell, consumer_blackwell] =
            [(7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)].map(keys);
        assert_eq!([turing, ampere, ada], [None, Some(64), Some(32)]);
        assert_eq!([hopper, blackwell, consumer_blackwell], [Some(64), Some(64), Some(32)]);
    }

    #[test]
    fn the_shapes_take_so_many_kib_of_shared_memory() {
        assert_eq!(SHAPES.map(|shape| shape.shared_bytes() >> 10), [104, 71, 76]);
    }
}
