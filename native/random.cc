#include "random.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "bind.h"

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
Tensor generate(const Ints& key_words, const Ints& shape, const Fill& fill) {
  const PhiloxKey key = key_of(key_words);
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

void uniform(const std::array<std::uint32_t, 4>& x, float* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<float>(x[i] >> 8) * 0x1p-24f;
}

void normal(const std::array<std::uint32_t, 4>& x, float* out) {
  for (int i = 0; i < 4; i += 2) {
    const double radius = std::sqrt(-2 * std::log((x[i] + 0.5) * 0x1p-32));
    const double angle = 2 * std::numbers::pi * ((x[i + 1] + 0.5) * 0x1p-32);
    out[i] = static_cast<float>(radius * std::cos(angle));
    out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace

void define_random(napi_env env, napi_value exports) {
  define(env, exports, {
    def("randomUniform", [](const Ints& key, const Ints& shape) { return generate(key, shape, uniform); }),
    def("randomNormal", [](const Ints& key, const Ints& shape) { return generate(key, shape, normal); }),
  });
}

}  // namespace rae
