// Many tensors as one flat range of chunks, shared out to libtorch's threads: the weights of a model in one call instead of hundreds.
#pragma once
#include <ATen/Parallel.h>

#include "convert.h"
#include "loops.h"

namespace rae {

struct Chunk {
  std::size_t tensor;
  std::int64_t begin, size;
};

// 64 Ki elements: large against the cost of a chunk, small against an even split. Every chunk begins at a multiple of 64 bytes.
inline std::vector<Chunk> chunks_of(const Tensors& tensors) {
  constexpr std::int64_t kChunk = 1 << 16;
  std::vector<Chunk> chunks;
  for (std::size_t t = 0; t < tensors.size(); ++t)
    for (std::int64_t at = 0; at < tensors[t].numel(); at += kChunk) chunks.push_back({t, at, std::min(kChunk, tensors[t].numel() - at)});
  return chunks;
}

template <class F>
void for_chunks(const std::vector<Chunk>& chunks, const F& f) {
  at::parallel_for(0, static_cast<std::int64_t>(chunks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(chunks[i]);
  });
}

// A chunk's values as float, through `buffer` (kBlock elements) where the tensor is bf16. `at` counts from the tensor's start.
inline const float* as_float(const at::Tensor& t, std::int64_t at, std::int64_t n, float* buffer) {
  if (t.scalar_type() == at::kFloat) return static_cast<const float*>(t.data_ptr()) + at;
  loops::widen(static_cast<const loops::bf16*>(t.data_ptr()) + at, buffer, static_cast<std::size_t>(n));
  return buffer;
}

// Throws unless every tensor is float32 (or bf16, where allowed), on the device of the first of `like`, and of the same count, shapes and
// memory order as `like`.
void check_group(const char* name, const Tensors& tensors, const Tensors& like, bool allow_bf16);

// The tensors themselves, or copies in the memory order of `like` where theirs is another.
Tensors in_order_of(const Tensors& tensors, const Tensors& like);

}  // namespace rae
