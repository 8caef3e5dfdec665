#include "random.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "bind.h"
#include "cuda/cuda.h"

namespace rae {
namespace {

constexpr std::int64_t kGrain = 4096;  // blocks a thread takes at least: 50 µs of work

PhiloxKey key_of(const Ints& key) {
  if (key.size() != 4) throw Error(kInvalid, "a key has four words, got " + std::to_string(key.size()));
  auto word = [&](int i) { return static_cast<std::uint32_t>(key[i]); };
  return {word(0), word(1), word(2), word(3)};
}

// Calls fill(block's four words, four floats out) for every block of the tensor.
template <class Fill>
Tensor on_cpu(const PhiloxKey& key, const Ints& shape, const Fill& fill) {
  Tensor t = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  float* out = t.data_ptr<float>();
  const std::int64_t n = t.numel();
  at::parallel_for(0, (n + 3) / 4, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      float values[4];
      fill(philox(key, static_cast<std::uint64_t>(block)), values);
      std::copy_n(values, std::min<std::int64_t>(4, n - 4 * block), out + 4 * block);
    }
  });
  return t;
}

}  // namespace

void define_random(napi_env env, napi_value exports) {
  define(env, exports, {
    def("randomUniform", [](const Ints& key, const Ints& shape, at::Device device) {
      if (device.is_cuda()) return cuda::random_uniform(key_of(key), shape, device);
      return on_cpu(key_of(key), shape, uniform);
    }),
    def("randomNormal", [](const Ints& key, const Ints& shape, at::Device device) {
      if (device.is_cuda()) return cuda::random_normal(key_of(key), shape, device);
      return on_cpu(key_of(key), shape, normal);
    }),
  });
}

}  // namespace rae
