// Differentiable augmentation and rounding to 8 bits. kernel_diffaug.cc says what the augmentation is; here a thread makes all channels of
// one pixel, so that an image is read once for its mean and once for its result.
#include "kernels.h"

namespace rae::cuda::kernels {
namespace {

constexpr int kThreads = 256;

struct Draw {
  std::int64_t down, right;
  float brightness, saturation, contrast;
};

__device__ std::int64_t shift(float draw, std::int64_t side) {
  const auto most = static_cast<std::int64_t>(nearbyint(static_cast<double>(side) * 0.125));
  // rounded before the floor: a fused multiply could fall on its other side
  return static_cast<std::int64_t>(floorf(__fmul_rn(draw, static_cast<float>(2 * most + 1)))) - most;
}

__device__ Draw draw_of(const Images& s, std::int64_t b) {
  const float* r = s.draws + b;
  return {shift(r[0], s.height), shift(r[s.batch], s.width), r[2 * s.batch] - 0.5f, r[3 * s.batch] * 2, r[4 * s.batch] + 0.5f};
}

// The pixel of the input that lands on pixel i, -1 where that is outside.
__device__ std::int64_t source(const Images& s, std::int64_t i, std::int64_t down, std::int64_t right) {
  const std::int64_t y = i / s.width + down, x = i % s.width + right;
  return y >= 0 && y < s.height && x >= 0 && x < s.width ? y * s.width + x : -1;
}

// sums[image][part]; forward sums what the translation leaves in the image, backward the whole gradient.
template <bool kForward>
__global__ void sum_kernel(const Images s, double* sums) {
  __shared__ double shared[kThreads];
  const std::int64_t b = blockIdx.y, area = s.height * s.width;
  const Draw d = draw_of(s, b);
  double sum = 0;
  for (std::int64_t i = blockIdx.x * kThreads + threadIdx.x; i < area; i += kParts * kThreads) {
    const std::int64_t from = kForward ? source(s, i, d.down, d.right) : i;
    if (from < 0) continue;
    for (std::int64_t c = 0; c < s.channels; ++c) sum += s.in[(b * s.channels + c) * area + from];
  }
  shared[threadIdx.x] = sum;
  for (int n = kThreads / 2; n > 0; n /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < n) shared[threadIdx.x] += shared[threadIdx.x + n];
  }
  if (threadIdx.x == 0) sums[b * kParts + blockIdx.x] = shared[0];
}

__device__ float image_mean(const Images& s, const double* sums, std::int64_t b) {
  double sum = 0;
  for (int part = 0; part < kParts; ++part) sum += sums[b * kParts + part];
  return static_cast<float>(sum / static_cast<double>(s.channels * s.height * s.width));
}

// Brightness moves the image's mean with it, saturation leaves it, so the mean of what was translated is enough for the contrast.
template <bool kForward>
__global__ void apply_kernel(const Images s, const double* sums) {
  const std::int64_t b = blockIdx.y, area = s.height * s.width, i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= area) return;
  const Draw d = draw_of(s, b);
  const float mean = image_mean(s, sums, b) + (kForward ? d.brightness : 0);
  const std::int64_t from = kForward ? source(s, i, d.down, d.right) : source(s, i, -d.down, -d.right);
  const float* in = s.in + b * s.channels * area;
  float* out = s.out + b * s.channels * area + i;
  auto contrasted = [&](float x) { return (x - mean) * d.contrast + mean; };
  auto value = [&](std::int64_t c) {
    const float x = from < 0 ? 0 : in[c * area + from];
    return kForward ? x + d.brightness : contrasted(x);
  };
  float grey = 0;
  for (std::int64_t c = 0; c < s.channels; ++c) grey += value(c);
  grey /= static_cast<float>(s.channels);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    const float saturated = (value(c) - grey) * d.saturation + grey;
    // what the translation pushed out of the image has no gradient
    out[c * area] = kForward ? contrasted(saturated) : from < 0 ? 0 : saturated;
  }
}

template <bool kForward>
void run(const Images& s, double* sums, cudaStream_t stream) {
  const std::int64_t area = s.height * s.width;
  const auto images = static_cast<unsigned>(s.batch);
  sum_kernel<kForward><<<dim3(kParts, images), kThreads, 0, stream>>>(s, sums);
  apply_kernel<kForward><<<dim3(static_cast<unsigned>((area + kThreads - 1) / kThreads), images), kThreads, 0, stream>>>(s, sums);
}

__global__ void quantize8_kernel(const float* in, float* out, std::int64_t n) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  const float low = in[i] < -1 ? -1 : in[i], x = low > 1 ? 1 : low;
  out[i] = rintf((x + 1) * 127.5f) / 127.5f - 1;
}

}  // namespace

void diffaug(const Images& images, double* sums, cudaStream_t stream) { run<true>(images, sums, stream); }
void diffaug_grad(const Images& images, double* sums, cudaStream_t stream) { run<false>(images, sums, stream); }

void quantize8(const float* in, float* out, std::int64_t n, cudaStream_t stream) {
  quantize8_kernel<<<static_cast<unsigned>((n + kThreads - 1) / kThreads), kThreads, 0, stream>>>(in, out, n);
}

}  // namespace rae::cuda::kernels
