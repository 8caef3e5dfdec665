#include "loops.h"

#include <bit>
#include <cmath>

namespace rae::loops {
namespace {

inline __attribute__((always_inline)) bf16 round_bf16(float x) {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  return static_cast<bf16>((u & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

}  // namespace

FOR_EVERY_CPU void widen(const bf16* __restrict in, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = std::bit_cast<float>(static_cast<std::uint32_t>(in[i]) << 16);
}

FOR_EVERY_CPU void narrow(const float* __restrict in, bf16* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = round_bf16(in[i]);
}

FOR_EVERY_CPU void adamw(float* __restrict param, float* __restrict m, float* __restrict v, const float* __restrict grad, bf16* __restrict working,
                         std::size_t n, const AdamW& h) {
  const float decay = h.decay, beta1 = h.beta1, beta2 = h.beta2, step = h.step, correction = h.correction, eps = h.eps, scale = h.grad_scale;
  auto update = [&](std::size_t i) __attribute__((always_inline)) {
    const float g = grad[i] * scale;
    m[i] = m[i] * beta1 + (1 - beta1) * g;
    v[i] = v[i] * beta2 + (1 - beta2) * g * g;
    param[i] = param[i] * decay - step * m[i] / (std::sqrt(v[i] * correction) + eps);
  };
  if (working) {
    for (std::size_t i = 0; i < n; ++i) {
      update(i);
      working[i] = round_bf16(param[i]);
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) update(i);
  }
}

FOR_EVERY_CPU void ema(float* __restrict average, const float* __restrict value, std::size_t n, float decay) {
  for (std::size_t i = 0; i < n; ++i) average[i] = average[i] * decay + value[i] * (1 - decay);
}

FOR_EVERY_CPU void add(float* __restrict sum, const float* __restrict value, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) sum[i] += value[i];
}

FOR_EVERY_CPU double sum_squares(const float* __restrict in, std::size_t n, bool& finite) {
  constexpr std::size_t kLanes = 16;
  double lanes[kLanes] = {};
  std::uint32_t largest[kLanes] = {};  // exponent and mantissa bits of the largest magnitude: from 0x7f800000 on it is no number
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      const double x = in[i + k];
      lanes[k] += x * x;
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(in[i + k]) & 0x7fffffff;
      largest[k] = bits > largest[k] ? bits : largest[k];
    }
  }
  for (std::size_t k = 0; i + k < n; ++k) {
    const double x = in[i + k];
    lanes[k] += x * x;
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(in[i + k]) & 0x7fffffff;
    largest[k] = bits > largest[k] ? bits : largest[k];
  }
  double sum = 0;
  for (std::size_t k = 0; k < kLanes; ++k) {
    sum += lanes[k];
    if (largest[k] >= 0x7f800000) finite = false;
  }
  return sum;
}

FOR_EVERY_CPU float unit_distance(const float* __restrict a, const float* __restrict b, const float* __restrict w, std::size_t n, float eps) {
  SUM_LANES(aa, n, a[i] * a[i])
  SUM_LANES(bb, n, b[i] * b[i])
  const float ra = 1 / (std::sqrt(aa) + eps), rb = 1 / (std::sqrt(bb) + eps);
  SUM_LANES(sum, n, w[i] * (a[i] * ra - b[i] * rb) * (a[i] * ra - b[i] * rb))
  return sum;
}

FOR_EVERY_CPU void unit_distance_grad(const float* __restrict a, const float* __restrict b, const float* __restrict w, float* __restrict grad,
                                      std::size_t n, float eps, float scale) {
  SUM_LANES(aa, n, a[i] * a[i])
  SUM_LANES(bb, n, b[i] * b[i])
  const float norm = std::sqrt(aa);
  const float ra = 1 / (norm + eps), rb = 1 / (std::sqrt(bb) + eps);
  SUM_LANES(along, n, w[i] * (a[i] * ra - b[i] * rb) * a[i])
  // through the unit vector: the part along a, which a longer a does not change, falls away
  const float radial = norm > 0 ? along * ra * ra / norm : 0;
  for (std::size_t i = 0; i < n; ++i) grad[i] = 2 * scale * (w[i] * (a[i] * ra - b[i] * rb) * ra - a[i] * radial);
}

FOR_EVERY_CPU void quantize8(const float* __restrict in, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float low = in[i] < -1 ? -1 : in[i], x = low > 1 ? 1 : low;
    out[i] = std::rint((x + 1) * 127.5f) / 127.5f - 1;
  }
}

}  // namespace rae::loops
