// A thread a block of four numbers; the numbers are random.h's.
#include "kernels.h"

namespace rae::cuda::kernels {
namespace {

constexpr int kThreads = 256;

template <class Fill>
__global__ void generate_kernel(const PhiloxKey key, float* out, std::int64_t n, Fill fill) {
  const std::int64_t block = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (4 * block >= n) return;
  float values[4];
  fill(philox(key, static_cast<std::uint64_t>(block)), values);
  for (std::int64_t i = 0; i < 4 && 4 * block + i < n; ++i) out[4 * block + i] = values[i];
}

struct Uniform {
  __device__ void operator()(const PhiloxBlock& block, float* out) const { uniform(block, out); }
};
struct Normal {
  __device__ void operator()(const PhiloxBlock& block, float* out) const { normal(block, out); }
};

template <class Fill>
void generate(const PhiloxKey& key, float* out, std::int64_t n, cudaStream_t stream) {
  const std::int64_t blocks = (n + 3) / 4;
  generate_kernel<<<static_cast<unsigned>((blocks + kThreads - 1) / kThreads), kThreads, 0, stream>>>(key, out, n, Fill{});
}

}  // namespace

void random_uniform(const PhiloxKey& key, float* out, std::int64_t n, cudaStream_t stream) { generate<Uniform>(key, out, n, stream); }
void random_normal(const PhiloxKey& key, float* out, std::int64_t n, cudaStream_t stream) { generate<Normal>(key, out, n, stream); }

}  // namespace rae::cuda::kernels
