// Elementary functions of float32 that the compiler can vectorise: no branches, no calls, no tables.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace rae::loops {

#define ALWAYS_INLINE inline __attribute__((always_inline))

// eˣ within 2 units in the last place; 0 below -87, and as large as e⁸⁸ above. Cephes' expf: x = n ln 2 + r, a polynomial in r, 2ⁿ by its bits.
ALWAYS_INLINE float exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // to nearest whole: the sum's last bit counts ones
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

// tanh within 3e-7: (1 - e) / (1 + e) with e = e^(-2|x|), which does not overflow.
ALWAYS_INLINE float tanh(float x) {
  const float e = exp(-2.0f * std::fabs(x));
  return std::copysign((1.0f - e) / (1.0f + e), x);
}

// The normal distribution function Φ and its density φ. Φ within 1e-7 by Abramowitz and Stegun 7.1.26, whose e^(-x²/2) is φ's too.
struct Normal {
  float cdf, pdf;
};
ALWAYS_INLINE Normal normal(float x) {
  const float e = exp(-0.5f * x * x);
  const float t = 1.0f / (1.0f + 0.3275911f * 0.70710678f * std::fabs(x));
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * e;
  return {x < 0 ? tail : 1.0f - tail, 0.39894228f * e};
}

}  // namespace rae::loops
