// Attention of one head with AVX-512's bfloat16 products (vdpbf16ps), scores and softmax in float32 in the cache: nothing of tokens ×
// tokens goes to memory in the forward pass. Plain pointers only: this is compiled for a CPU that not every machine has, so nothing of it may
// leak into shared inline functions.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rae::avx512 {

using bf16 = std::uint16_t;

// A matrix of rows of D adjacent numbers, `stride` elements apart.
struct Rows {
  const bf16* data;
  std::int64_t stride;
};
struct MutableRows {
  bf16* data;
  std::int64_t stride;
};

struct HeadSize {
  std::int64_t queries, keys, width;  // width is even and at most kMaxWidth
  float scale;
};
constexpr std::int64_t kMaxWidth = 128;

// Whether this CPU has the instructions.
bool supported();

// Bytes of scratch that one call needs, 64-byte aligned.
std::size_t forward_scratch(const HeadSize& size);
std::size_t backward_scratch(const HeadSize& size);

// out = softmax(q kᵀ · scale) v; log_sums [queries] receives what the backward needs of the softmax.
void forward_head(const HeadSize& size, Rows q, Rows k, Rows v, MutableRows out, float* log_sums, void* scratch);
void backward_head(const HeadSize& size, Rows q, Rows k, Rows v, Rows out, const float* log_sums, Rows grad, MutableRows dq, MutableRows dk,
                   MutableRows dv, void* scratch);

}  // namespace rae::avx512
