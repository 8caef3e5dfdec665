#include "random.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "bind.h"
#include "cuda/cuda.h"
#include "loops.h"

namespace rae {
namespace {

constexpr std::int64_t kGrain = 4096;  // blocks a thread takes at least: some 50 µs of work

PhiloxKey key_of(const Ints& key) {
  if (key.size() != 4) throw Error(kInvalid, "a key has four words, got " + std::to_string(key.size()));
  auto word = [&](int i) { return static_cast<std::uint32_t>(key[i]); };
  return {word(0), word(1), word(2), word(3)};
}

// `fill` writes the numbers of whole blocks from `block` on.
Tensor on_cpu(const PhiloxKey& key, const Ints& shape, void (*fill)(const PhiloxKey&, std::uint64_t block, float* out, std::size_t n)) {
  Tensor t = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  float* out = t.data_ptr<float>();
  const std::int64_t n = t.numel();
  at::parallel_for(0, (n + 3) / 4, kGrain, [&](std::int64_t begin, std::int64_t end) {
    fill(key, static_cast<std::uint64_t>(begin), out + 4 * begin, static_cast<std::size_t>(std::min(4 * end, n) - 4 * begin));
  });
  return t;
}

}  // namespace

void define_random(napi_env env, napi_value exports) {
  define(env, exports, {
    def("randomUniform", [](const Ints& key, const Ints& shape, at::Device device) {
      if (device.is_cuda()) return cuda::random_uniform(key_of(key), shape, device);
      return on_cpu(key_of(key), shape, loops::uniform);
    }),
    def("randomNormal", [](const Ints& key, const Ints& shape, at::Device device) {
      if (device.is_cuda()) return cuda::random_normal(key_of(key), shape, device);
      return on_cpu(key_of(key), shape, loops::normal);
    }),
  });
}

}  // namespace rae
