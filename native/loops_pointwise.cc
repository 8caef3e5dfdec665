#include "loops.h"
#include "vector_math.h"

namespace rae::loops {
namespace {

constexpr float kRoot2OverPi = 0.79788456f, kCubic = 0.044715f;

}  // namespace

FOR_EVERY_CPU void gelu(const float* __restrict x, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] * normal(x[i]).cdf;
}

FOR_EVERY_CPU void gelu_grad(const float* __restrict x, const float* __restrict g, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const Normal phi = normal(x[i]);
    out[i] = g[i] * (phi.cdf + x[i] * phi.pdf);
  }
}

FOR_EVERY_CPU void gelu_tanh(const float* __restrict x, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = 0.5f * x[i] * (1.0f + tanh(kRoot2OverPi * (x[i] + kCubic * x[i] * x[i] * x[i])));
}

FOR_EVERY_CPU void gelu_tanh_grad(const float* __restrict x, const float* __restrict g, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float t = tanh(kRoot2OverPi * (x[i] + kCubic * x[i] * x[i] * x[i]));
    const float inner = kRoot2OverPi * (1.0f + 3.0f * kCubic * x[i] * x[i]);
    out[i] = g[i] * (0.5f * (1.0f + t) + 0.5f * x[i] * (1.0f - t * t) * inner);
  }
}

// On the bits of bf16: negative numbers become 0, NaN stays NaN.
FOR_EVERY_CPU void relu(const bf16* __restrict x, bf16* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i] >= 0x8000 && x[i] <= 0xff80 ? 0 : x[i];
}

// `y` is the result of relu.
FOR_EVERY_CPU void relu_grad(const bf16* __restrict y, const bf16* __restrict g, bf16* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = y[i] == 0 ? 0 : g[i];
}

}  // namespace rae::loops
