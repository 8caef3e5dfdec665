// AdamW, EMA, sums and statistics over all weights of a model: a few launches for hundreds of tensors, one block of threads a chunk.
#include <cuda_bf16.h>

#include "kernels.h"

namespace rae::cuda::kernels {
namespace {

constexpr int kThreads = 256;

// A launch's parameters hold 4 KiB.
constexpr int kEntries = 60;
struct Launch {
  Entry entries[kEntries];
  int first_block[kEntries];
  int count, first_chunk;
};
static_assert(sizeof(Launch) <= 4096 - 64);

__device__ float value_at(const Entry& t, std::int64_t i) {
  return t.half ? __bfloat162float(static_cast<const __nv_bfloat16*>(t.value)[i]) : static_cast<const float*>(t.value)[i];
}

// f(weight, element) for the elements of this block's chunk that are this thread's.
template <class F>
__device__ void for_mine(const Launch& launch, const F& f) {
  int e = 0;
  while (e + 1 < launch.count && launch.first_block[e + 1] <= static_cast<int>(blockIdx.x)) ++e;
  const Entry& t = launch.entries[e];
  const std::int64_t begin = (blockIdx.x - launch.first_block[e]) * kChunk;
  const std::int64_t end = begin + kChunk < t.size ? begin + kChunk : t.size;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) f(t, i);
}

__global__ void adamw_kernel(const __grid_constant__ Launch launch, const loops::AdamW h) {
  for_mine(launch, [&](const Entry& t, std::int64_t i) {
    const float g = value_at(t, i) * h.grad_scale;
    const float m = t.m[i] * h.beta1 + (1 - h.beta1) * g;
    const float v = t.v[i] * h.beta2 + (1 - h.beta2) * g * g;
    const float p = t.param[i] * h.decay - h.step * m / (sqrtf(v * h.correction) + h.eps);
    t.m[i] = m;
    t.v[i] = v;
    t.param[i] = p;
    if (t.working) reinterpret_cast<__nv_bfloat16*>(t.working)[i] = __float2bfloat16_rn(p);
  });
}

__global__ void ema_kernel(const __grid_constant__ Launch launch, float decay) {
  for_mine(launch, [&](const Entry& t, std::int64_t i) { t.param[i] = t.param[i] * decay + value_at(t, i) * (1 - decay); });
}

__global__ void accumulate_kernel(const __grid_constant__ Launch launch) {
  for_mine(launch, [&](const Entry& t, std::int64_t i) { t.param[i] += value_at(t, i); });
}

__global__ void sum_squares_kernel(const __grid_constant__ Launch launch, double* sums, double* bad) {
  __shared__ double shared[kThreads];
  double sum = 0;
  bool finite = true;
  for_mine(launch, [&](const Entry& t, std::int64_t i) {
    const float x = value_at(t, i);
    sum += static_cast<double>(x) * x;
    finite = finite && isfinite(x);
  });
  if (!finite) *bad = 1;  // several threads may, with the same value
  shared[threadIdx.x] = sum;
  for (int n = kThreads / 2; n > 0; n /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < n) shared[threadIdx.x] += shared[threadIdx.x + n];
  }
  if (threadIdx.x == 0) sums[launch.first_chunk + blockIdx.x] = shared[0];
}

std::int64_t chunks_of(const Entry& t) { return (t.size + kChunk - 1) / kChunk; }

// run(launch, blocks) for as many tensors at a time as a launch takes
template <class Run>
void in_launches(const Group& group, const Run& run) {
  int chunk = 0;
  for (std::size_t begin = 0; begin < group.size(); begin += kEntries) {
    Launch launch{};
    int blocks = 0;
    launch.first_chunk = chunk;
    for (std::size_t e = begin; e < group.size() && launch.count < kEntries; ++e) {
      launch.entries[launch.count] = group[e];
      launch.first_block[launch.count++] = blocks;
      blocks += static_cast<int>(chunks_of(group[e]));
    }
    if (blocks > 0) run(launch, blocks);
    chunk += blocks;
  }
}

}  // namespace

std::int64_t chunks_of(const Group& group) {
  std::int64_t chunks = 0;
  for (const Entry& t : group) chunks += chunks_of(t);
  return chunks;
}

void adamw(const Group& group, const loops::AdamW& h, cudaStream_t stream) {
  in_launches(group, [&](const Launch& launch, int blocks) { adamw_kernel<<<blocks, kThreads, 0, stream>>>(launch, h); });
}

void ema(const Group& group, float decay, cudaStream_t stream) {
  in_launches(group, [&](const Launch& launch, int blocks) { ema_kernel<<<blocks, kThreads, 0, stream>>>(launch, decay); });
}

void accumulate(const Group& group, cudaStream_t stream) {
  in_launches(group, [&](const Launch& launch, int blocks) { accumulate_kernel<<<blocks, kThreads, 0, stream>>>(launch); });
}

void sum_squares(const Group& group, double* sums, double* bad, cudaStream_t stream) {
  in_launches(group, [&](const Launch& launch, int blocks) { sum_squares_kernel<<<blocks, kThreads, 0, stream>>>(launch, sums, bad); });
}

}  // namespace rae::cuda::kernels
