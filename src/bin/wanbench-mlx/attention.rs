//! Attention: MLX's own, or in f32 on CUDA the kernel of `attention.cuh`, since MLX's fused one knows half precision alone there and
//! keeps all scores in memory otherwise. Metal's fused one takes every dtype.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{CStr, CString};

use anyhow::Result;
use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype, fast};
use sha2::{Digest, Sha256};
use wanbench::text::format;

use crate::hardware::Hardware;
use crate::native::{CudaKernel, Launch};

/// Scaled dot-product attention over `[rows, heads, head_dim]`; the results have the heads side by side again, `[rows, dim]`.
pub struct Attention {
    /// For f32, by the width of a head; empty where MLX's own attention serves.
    kernels: HashMap<usize, Fused>,
}

impl Attention {
    /// With the kernels that the GPU can run: not all have the shared memory for the fastest.
    pub fn new(hardware: Hardware) -> Self {
        let mut kernels = HashMap::new();
        for shape in SHAPES.into_iter().filter(|_| hardware == Hardware::Cuda) {
            if !kernels.contains_key(&shape.head_dim)
                && let Ok(fused) = Fused::new(shape).and_then(Fused::tried)
            {
                kernels.insert(shape.head_dim, fused);
            }
        }
        Self { kernels }
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

/// Threads of a block and lanes of a row, as the source asserts.
const THREADS: i32 = 128;
const LANES: usize = 8;
/// Threads of a block that joins shares.
const MERGE_THREADS: i32 = 256;

/// Most shares of the keys that are computed side by side: with 6 the last blocks leave little of an H200 idle, at the price of
/// that many results in memory.
const MOST_SHARES: i32 = 6;
/// Fewest tiles of a share, whose queries are fetched anew.
const LEAST_TILES: i32 = 2;

/// The two kernels of one shape.
struct Fused {
    shape: Shape,
    attend: CudaKernel,
    merge: CudaKernel,
}

const HEADER: &str = include_str!("attention.cuh");

const ATTEND: &str = "
    static_assert(wanbench::SHARED_FLOATS<DIM, ROWS, KEYS> * sizeof(float) == SHARED && wanbench::THREADS == BLOCK);
    extern __shared__ float4 shared[];
    auto view = [](const float* data, const auto& shape, const auto& strides) {
        return wanbench::View{data + blockIdx.y * strides[1], long(strides[0]), shape[0]};
    };
    wanbench::attend<DIM, ROWS, KEYS>(
        view(q, q_shape, q_strides), view(k, k_shape, k_strides), view(v, v_shape, v_strides),
        out, log_sums, reinterpret_cast<float*>(shared));
";

const MERGE: &str = "
    wanbench::merge<DIM>(parts, log_sums, parts_shape[0], parts_shape[1], log_sums_shape[1], out);
";

impl Fused {
    fn new(shape: Shape) -> Result<Self> {
        let kernel = |name: &str, inputs: &[&CStr], outputs: &[&CStr], source: &str, shared_bytes| {
            let hash = Sha256::new().chain_update(HEADER).chain_update(source).finalize();
            let name = CString::new(format!("wanbench_{name}_{}", format::hexadecimal(&hash[..4])))?;
            CudaKernel::new(&name, inputs, outputs, &CString::new(source)?, &CString::new(HEADER)?, shared_bytes)
        };
        let shared_bytes = shape.shared_bytes();
        Ok(Self {
            shape,
            attend: kernel("attend", &[c"q", c"k", c"v"], &[c"out", c"log_sums"], ATTEND, shared_bytes)?,
            merge: kernel("merge", &[c"parts", c"log_sums"], &[c"out"], MERGE, 0)?,
        })
    }

    /// This, if the GPU runs it.
    fn tried(self) -> Result<Self> {
        let row = Array::zeros::<f32>(&[1, 1, self.shape.head_dim as i32])?;
        self.attend(&row, &row, &row)?.eval()?;
        Ok(self)
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
            constants: &[
                (c"DIM", head_dim),
                (c"ROWS", rows),
                (c"KEYS", keys),
                (c"SHARED", self.shape.shared_bytes()),
                (c"BLOCK", THREADS as usize),
            ],
        };
        // SAFETY: all three are f32 `[rows, heads, head_dim]` with a head's features side by side, as the network's projections are;
        // the grid has a block for every tile of queries, head and share, and what is beyond the rows is neither read nor written.
        let outputs = unsafe { self.attend.apply(&[q, k, v], &launch) }?;
        let [parts, log_sums] = outputs.as_slice() else { return Err(Exception::custom("attention has two outputs")) };
        if shares == 1 {
            return parts.reshape(&[queries, dim]);
        }
        let threads = queries * dim / 4;
        let launch = Launch {
            outputs: &[&[queries, dim]],
            grid: [pieces(threads, MERGE_THREADS) * MERGE_THREADS, 1, 1],
            block: [MERGE_THREADS, 1, 1],
            constants: &[(c"DIM", head_dim)],
        };
        // SAFETY: both are as the first kernel wrote them; there is a thread for each four features.
        let outputs = unsafe { self.merge.apply(&[parts, log_sums], &launch) }?;
        outputs.into_iter().next().ok_or_else(|| Exception::custom("a merge has one output"))
    }
}

/// How many pieces of a `size` cover a `length`.
fn pieces(length: i32, size: i32) -> i32 {
    (length + size - 1) / size
}
