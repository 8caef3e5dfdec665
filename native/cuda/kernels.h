// Kernels on device memory. Each function launches on the stream and returns; whoever calls it looks at cudaGetLastError.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "../loops.h"
#include "../random.h"

namespace rae::cuda::kernels {

// One weight of a group, and what belongs to it; a kernel reads and writes what it knows.
struct Entry {
  float* param;       // AdamW: the weight; EMA and sums: what is written
  const void* value;  // gradient or value, bfloat16 where `half`
  float *m, *v;
  loops::bf16* working;  // may be null
  std::int64_t size;
  bool half;
};
using Group = std::vector<Entry>;

// A block of threads takes so many elements, and gives one sum of squares.
constexpr std::int64_t kChunk = 1 << 16;
std::int64_t chunks_of(const Group& group);

void adamw(const Group& group, const loops::AdamW& h, cudaStream_t stream);
void ema(const Group& group, float decay, cudaStream_t stream);
void accumulate(const Group& group, cudaStream_t stream);
// Writes chunks_of(group) sums of squares, and 1 to `bad` where an element is not finite.
void sum_squares(const Group& group, double* sums, double* bad, cudaStream_t stream);

// Images row-major [batch, channels, height, width]; draws row-major [7, batch].
struct Images {
  const float* in;
  float* out;
  const float* draws;
  std::int64_t batch, channels, height, width;
};
constexpr int kParts = 64;  // sums that an image's mean is made of
// `sums` has batch · kParts elements to work in.
void diffaug(const Images& images, double* sums, cudaStream_t stream);
void diffaug_grad(const Images& images, double* sums, cudaStream_t stream);
void quantize8(const float* in, float* out, std::int64_t n, cudaStream_t stream);

// Feature maps of `places` · `channels` elements, a place's channels side by side; T float or bf16.
template <class T>
struct Features {
  const T *a, *b;
  const float* weight;
  std::int64_t places;  // of the whole batch
  int channels;
  float eps;
};
template <class T>
void unit_distance(const Features<T>& features, float* distances, cudaStream_t stream);
// grad[place / places_an_image] is the gradient of an image's mean.
template <class T>
void unit_distance_grad(const Features<T>& features, const float* grad, std::int64_t places_an_image, T* out, cudaStream_t stream);

void random_uniform(const PhiloxKey& key, float* out, std::int64_t n, cudaStream_t stream);
void random_normal(const PhiloxKey& key, float* out, std::int64_t n, cudaStream_t stream);

}  // namespace rae::cuda::kernels
