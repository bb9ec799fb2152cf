// Attention in f32 without its scores in memory, for MLX's CUDA backend, whose own fused attention knows half precision alone.
//
// A block computes ROWS rows of queries of one head against a share of the keys, tile by tile, with a running maximum and sum
// (Milakov and Gimelshein 2018; Dao 2023). Products are plain f32 multiply-adds, since tensor cores would round to TF32. The
// keys are split over gridDim.z shares, so that a grid fills the GPU whatever its size; `merge` joins what they give.
//
// A warp owns its rows: 4 groups of 8 lanes, each group with every 16th row of the tile. A group's lanes divide keys (for the
// scores) and features (for the result) among them, in runs that let neighbouring lanes read neighbouring 16 bytes.

#include <cuda_pipeline_primitives.h>

namespace wanbench {

constexpr int LANES = 8;            // that share a row
constexpr int GROUPS = 16;          // of lanes in a block
constexpr int THREADS = LANES * GROUPS;
constexpr int MERGE_THREADS = 256;  // of a block that merges

// A tensor [rows, heads, DIM] whose features are side by side.
struct View {
  const float* data;
  long row_stride;
  int rows;
};

// Features of a row in shared memory: 16 bytes more than there are, so that 8 rows in a column lie in different banks.
template <int DIM>
constexpr int PADDED = DIM + 4;

// Starts to copy `ROWS` rows from `first` on to `tile`; rows beyond the last are zeros.
template <int DIM, int ROWS>
__device__ void fetch(float* tile, const View& from, int first) {
  constexpr int PIECES = DIM / 4;
#pragma unroll
  for (int piece = threadIdx.x; piece < ROWS * PIECES; piece += THREADS) {
    const int row = piece / PIECES, column = piece % PIECES * 4;
    const bool is_there = first + row < from.rows;
    const float* source = from.data + (is_there ? first + row : 0) * from.row_stride + column;
    __pipeline_memcpy_async(tile + row * PADDED<DIM> + column, source, 16, is_there ? 0 : 16);
  }
}

__device__ inline float4 at(const float* place) { return *reinterpret_cast<const float4*>(place); }

// The shared memory of a block, in floats: queries, keys, values, probabilities.
template <int DIM, int ROWS, int KEYS>
constexpr size_t SHARED_FLOATS = (ROWS + 2 * KEYS) * PADDED<DIM> + ROWS * (KEYS + LANES);

// Writes the attended values [shares, rows, heads * DIM] and, to base 2, the logarithm of each row's sum [shares, heads, rows].
template <int DIM, int ROWS, int KEYS>
__device__ void attend(View q, View k, View v, float* out, float* log_sums, float* shared) {
  constexpr int OWN_ROWS = ROWS / GROUPS, OWN_KEYS = KEYS / LANES, RUNS = DIM / (4 * LANES), WIDE = KEYS + LANES;
  float* queries = shared;
  float* keys = queries + ROWS * PADDED<DIM>;
  float* values = keys + KEYS * PADDED<DIM>;
  float* shares = values + KEYS * PADDED<DIM>;
  const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES, first_row = blockIdx.x * ROWS;
  const int tiles = (k.rows + KEYS - 1) / KEYS;
  const int begin = tiles * blockIdx.z / gridDim.z, end = tiles * (blockIdx.z + 1) / gridDim.z;
  // exp(x / sqrt(DIM)) is the power of two of x times this.
  const float scale = 1.4426950408889634f * rsqrtf(float(DIM));

  fetch<DIM, ROWS>(queries, q, first_row);
  fetch<DIM, KEYS>(keys, k, begin * KEYS);
  __pipeline_commit();
  fetch<DIM, KEYS>(values, v, begin * KEYS);
  __pipeline_commit();

  float4 sums[OWN_ROWS][RUNS] = {};
  float most[OWN_ROWS], total[OWN_ROWS];
#pragma unroll
  for (int i = 0; i < OWN_ROWS; ++i) most[i] = -__int_as_float(0x7f800000), total[i] = 0.0f;

  __pipeline_wait_prior(1);
  __syncthreads();
  for (int tile = begin; tile < end; ++tile) {
    float scores[OWN_ROWS][OWN_KEYS] = {};
#pragma unroll 4
    for (int d = 0; d < DIM; d += 4) {
      float4 query[OWN_ROWS];
#pragma unroll
      for (int i = 0; i < OWN_ROWS; ++i) query[i] = at(queries + (group + i * GROUPS) * PADDED<DIM> + d);
#pragma unroll
      for (int j = 0; j < OWN_KEYS; ++j) {
        const float4 key = at(keys + (lane + j * LANES) * PADDED<DIM> + d);
#pragma unroll
        for (int i = 0; i < OWN_ROWS; ++i) {
          scores[i][j] = fmaf(query[i].x, key.x, scores[i][j]);
          scores[i][j] = fmaf(query[i].y, key.y, scores[i][j]);
          scores[i][j] = fmaf(query[i].z, key.z, scores[i][j]);
          scores[i][j] = fmaf(query[i].w, key.w, scores[i][j]);
        }
      }
    }
    // From here on nobody reads these keys, and everybody sees this tile's values.
    __pipeline_wait_prior(0);
    __syncthreads();
    if (tile + 1 < end) fetch<DIM, KEYS>(keys, k, (tile + 1) * KEYS);
    __pipeline_commit();

    if ((tile + 1) * KEYS > k.rows) {
#pragma unroll
      for (int j = 0; j < OWN_KEYS; ++j)
        if (tile * KEYS + lane + j * LANES >= k.rows)
#pragma unroll
          for (int i = 0; i < OWN_ROWS; ++i) scores[i][j] = -__int_as_float(0x7f800000);
    }
#pragma unroll
    for (int i = 0; i < OWN_ROWS; ++i) {
      float highest = most[i];
#pragma unroll
      for (int j = 0; j < OWN_KEYS; ++j) highest = fmaxf(highest, scores[i][j]);
#pragma unroll
      for (int other = LANES / 2; other > 0; other /= 2)
        highest = fmaxf(highest, __shfl_xor_sync(0xffffffff, highest, other));
      const float before = exp2f((most[i] - highest) * scale), level = highest * scale;
      most[i] = highest;
      total[i] *= before;
#pragma unroll
      for (int run = 0; run < RUNS; ++run) {
        sums[i][run].x *= before;
        sums[i][run].y *= before;
        sums[i][run].z *= before;
        sums[i][run].w *= before;
      }
#pragma unroll
      for (int j = 0; j < OWN_KEYS; ++j) {
        const float share = exp2f(fmaf(scores[i][j], scale, -level));
        total[i] += share;
        shares[(group + i * GROUPS) * WIDE + lane + j * LANES] = share;
      }
    }
    __syncwarp();

#pragma unroll 4
    for (int j = 0; j < KEYS; j += 4) {
      float4 share[OWN_ROWS];
#pragma unroll
      for (int i = 0; i < OWN_ROWS; ++i) share[i] = at(shares + (group + i * GROUPS) * WIDE + j);
#pragma unroll
      for (int part = 0; part < 4; ++part) {
#pragma unroll
        for (int run = 0; run < RUNS; ++run) {
          const float4 value = at(values + (j + part) * PADDED<DIM> + (run * LANES + lane) * 4);
#pragma unroll
          for (int i = 0; i < OWN_ROWS; ++i) {
            const float weight = part == 0 ? share[i].x : part == 1 ? share[i].y : part == 2 ? share[i].z : share[i].w;
            sums[i][run].x = fmaf(weight, value.x, sums[i][run].x);
            sums[i][run].y = fmaf(weight, value.y, sums[i][run].y);
            sums[i][run].z = fmaf(weight, value.z, sums[i][run].z);
            sums[i][run].w = fmaf(weight, value.w, sums[i][run].w);
          }
        }
      }
    }
    // From here on nobody reads these values, and everybody sees the next tile's keys.
    __pipeline_wait_prior(0);
    __syncthreads();
    if (tile + 1 < end) fetch<DIM, KEYS>(values, v, (tile + 1) * KEYS);
    __pipeline_commit();
  }

#pragma unroll
  for (int i = 0; i < OWN_ROWS; ++i) {
    const int row = first_row + group + i * GROUPS;
#pragma unroll
    for (int other = LANES / 2; other > 0; other /= 2) total[i] += __shfl_xor_sync(0xffffffff, total[i], other);
    if (row >= q.rows) continue;
    const float share = 1.0f / total[i];
    float* place = out + ((long(blockIdx.z) * q.rows + row) * gridDim.y + blockIdx.y) * DIM;
#pragma unroll
    for (int run = 0; run < RUNS; ++run) {
      const float4 sum = sums[i][run];
      *reinterpret_cast<float4*>(place + (run * LANES + lane) * 4) =
          make_float4(sum.x * share, sum.y * share, sum.z * share, sum.w * share);
    }
    if (lane == 0)
      log_sums[(long(blockIdx.z) * gridDim.y + blockIdx.y) * q.rows + row] = most[i] * scale + log2f(total[i]);
  }
}

// Joins the results of up to MOST shares, [shares, rows, heads * DIM], into [rows, heads * DIM], four features a thread. All that a
// thread reads is on its way before any of it is used: few threads fit beside the registers of `attend`, and so many reads are needed
// to keep memory busy.
template <int DIM, int MOST>
__device__ void merge(const float* parts, const float* log_sums, int shares, int rows, int heads, float* out) {
  const long piece = long(blockIdx.x) * blockDim.x + threadIdx.x, pieces = long(rows) * heads * (DIM / 4);
  if (piece >= pieces) return;
  const int head = piece / (DIM / 4) % heads;
  const long row = piece / (DIM / 4) / heads;
  float logs[MOST], most = -__int_as_float(0x7f800000);
  float4 values[MOST];
#pragma unroll
  for (int share = 0; share < MOST; ++share) {
    const int there = min(share, shares - 1);
    logs[share] = log_sums[(long(there) * heads + head) * rows + row];
    values[share] = at(parts + (there * pieces + piece) * 4);
  }
#pragma unroll
  for (int share = 0; share < MOST; ++share) most = fmaxf(most, logs[share]);
  float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  float total = 0.0f;
#pragma unroll
  for (int share = 0; share < MOST; ++share) {
    const float weight = share < shares ? exp2f(logs[share] - most) : 0.0f;
    total += weight;
    sum.x = fmaf(weight, values[share].x, sum.x);
    sum.y = fmaf(weight, values[share].y, sum.y);
    sum.z = fmaf(weight, values[share].z, sum.z);
    sum.w = fmaf(weight, values[share].w, sum.w);
  }
  const float scale = 1.0f / total;
  *reinterpret_cast<float4*>(out + piece * 4) =
      make_float4(sum.x * scale, sum.y * scale, sum.z * scale, sum.w * scale);
}

} // namespace wanbench
