// LPIPS's distance of unit vectors, one warp a place: its lanes walk the channels side by side, sums go through the warp's registers.
#include <cuda_bf16.h>

#include "kernels.h"

namespace rae::cuda::kernels {
namespace {

constexpr int kThreads = 256, kLanes = 32;

__device__ float wide(float x) { return x; }
__device__ float wide(loops::bf16 x) { return __uint_as_float(static_cast<unsigned>(x) << 16); }
__device__ void store(float* to, float x) { *to = x; }
__device__ void store(loops::bf16* to, float x) { *to = __bfloat16_as_ushort(__float2bfloat16_rn(x)); }

// The same sum in every lane.
__device__ float warp_sum(float x) {
  for (int step = kLanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffff, x, step);
  return x;
}

// What a warp knows of its place.
template <class T>
struct Place {
  const T *a, *b;
  int lane, channels;
  float norm, ra, rb;  // |a|, and 1 / (|a| + ε), 1 / (|b| + ε)

  __device__ Place(const Features<T>& s, std::int64_t place) : a(s.a + place * s.channels), b(s.b + place * s.channels), lane(threadIdx.x % kLanes), channels(s.channels) {
    norm = sqrtf(sum([&](int c) { return wide(a[c]) * wide(a[c]); }));
    ra = 1 / (norm + s.eps);
    rb = 1 / (sqrtf(sum([&](int c) { return wide(b[c]) * wide(b[c]); })) + s.eps);
  }
  template <class F>
  __device__ float sum(const F& term) const {
    float mine = 0;
    for (int c = lane; c < channels; c += kLanes) mine += term(c);
    return warp_sum(mine);
  }
  __device__ float difference(int c) const { return wide(a[c]) * ra - wide(b[c]) * rb; }
};

__device__ std::int64_t my_place() { return (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kLanes; }

template <class T>
__global__ void unit_distance_kernel(const Features<T> s, float* distances) {
  if (my_place() >= s.places) return;  // a warp leaves as a whole
  const Place<T> at(s, my_place());
  const float distance = at.sum([&](int c) { return s.weight[c] * at.difference(c) * at.difference(c); });
  if (at.lane == 0) distances[my_place()] = distance;
}

template <class T>
__global__ void unit_distance_grad_kernel(const Features<T> s, const float* grad, std::int64_t places_an_image, T* out) {
  if (my_place() >= s.places) return;
  const Place<T> at(s, my_place());
  const float scale = grad[my_place() / places_an_image] / static_cast<float>(places_an_image);
  const float along = at.sum([&](int c) { return s.weight[c] * at.difference(c) * wide(at.a[c]); });
  const float radial = at.norm > 0 ? along * at.ra * at.ra / at.norm : 0;
  T* to = out + my_place() * s.channels;
  for (int c = at.lane; c < s.channels; c += kLanes) store(to + c, 2 * scale * (s.weight[c] * at.difference(c) * at.ra - wide(at.a[c]) * radial));
}

unsigned blocks_of(std::int64_t places) { return static_cast<unsigned>((places * kLanes + kThreads - 1) / kThreads); }

}  // namespace

template <class T>
void unit_distance(const Features<T>& features, float* distances, cudaStream_t stream) {
  unit_distance_kernel<<<blocks_of(features.places), kThreads, 0, stream>>>(features, distances);
}

template <class T>
void unit_distance_grad(const Features<T>& features, const float* grad, std::int64_t places_an_image, T* out, cudaStream_t stream) {
  unit_distance_grad_kernel<<<blocks_of(features.places), kThreads, 0, stream>>>(features, grad, places_an_image, out);
}

template void unit_distance(const Features<float>&, float*, cudaStream_t);
template void unit_distance(const Features<loops::bf16>&, float*, cudaStream_t);
template void unit_distance_grad(const Features<float>&, const float*, std::int64_t, float*, cudaStream_t);
template void unit_distance_grad(const Features<loops::bf16>&, const float*, std::int64_t, loops::bf16*, cudaStream_t);

}  // namespace rae::cuda::kernels
