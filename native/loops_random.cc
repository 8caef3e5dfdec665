// Random words to numbers. Philox itself is here too: only where it is inlined into the loop are its rounds vectorised.
#include <bit>
#include <cmath>

#include "loops.h"
#include "random.h"
#include "vector_math.h"

namespace rae::loops {
namespace {

constexpr std::size_t kLanes = 16;

// The words of kLanes blocks, word by word.
ALWAYS_INLINE void words(const PhiloxKey& key, std::uint64_t block, std::uint32_t (*out)[kLanes]) {
  for (std::size_t i = 0; i < kLanes; ++i) {
    const PhiloxBlock drawn = philox(key, block + i);
    for (std::size_t k = 0; k < 4; ++k) out[k][i] = drawn.x[k];
  }
}

// ln((x + ½) · 2⁻³²) within 2e-7 of it, near 0 too: there what is missing to 1 is exact where the quotient is not. Cephes' logf.
ALWAYS_INLINE float log_of_unit(std::uint32_t x) {
  constexpr std::uint32_t kSqrtHalf = 0xb504f334;  // √½ · 2³²
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(static_cast<float>(x) + 0.5f);
  const float mantissa = std::bit_cast<float>((bits & 0x007fffff) | 0x3f800000);
  const bool upper = mantissa > 1.41421356f, near_one = x >= kSqrtHalf;
  const float e = near_one ? 0.0f : static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127 - 32 + upper);
  const float f = near_one ? (static_cast<float>(~x) + 0.5f) * -0x1p-32f : (upper ? 0.5f * mantissa : mantissa) - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float square = f * f;
  return e * 0.693359375f + (f + (p * f * square - e * 2.12194440e-4f - 0.5f * square));
}

struct Point {
  float cos, sin;
};

// The point of the unit circle at (x + ½) · 2⁻³² of a turn, within 2e-7. The nearest quarter is taken off in whole numbers; Cephes' sinf, cosf.
ALWAYS_INLINE Point on_circle(std::uint32_t x) {
  const std::uint32_t quarter = (x + 0x20000000u) >> 30;
  const float a = (static_cast<float>(static_cast<std::int32_t>(x - (quarter << 30))) + 0.5f) * 1.46291808e-9f;  // 2π · 2⁻³²
  const float z = a * a;
  const float sin = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * a + a;
  const float cos = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  const bool odd = quarter & 1;
  const float c = odd ? sin : cos, s = odd ? cos : sin;
  return {quarter == 1 || quarter == 2 ? -c : c, quarter == 2 || quarter == 3 ? -s : s};
}

}  // namespace

FOR_EVERY_CPU void uniform(const PhiloxKey& key, std::uint64_t block, float* out, std::size_t n) {
  std::uint32_t x[4][kLanes];
  for (std::size_t at = 0; at < n; at += 4 * kLanes, block += kLanes) {
    words(key, block, x);
    for (std::size_t i = 0; i < 4 * kLanes && at + i < n; ++i) out[at + i] = static_cast<float>(x[i % 4][i / 4] >> 8) * 0x1p-24f;
  }
}

FOR_EVERY_CPU void normal(const PhiloxKey& key, std::uint64_t block, float* out, std::size_t n) {
  std::uint32_t x[4][kLanes];
  float y[4][kLanes];
  for (std::size_t at = 0; at < n; at += 4 * kLanes, block += kLanes) {
    words(key, block, x);
    for (std::size_t k = 0; k < 4; k += 2) {
      for (std::size_t i = 0; i < kLanes; ++i) {
        const float radius = std::sqrt(-2.0f * log_of_unit(x[k][i]));
        const Point p = on_circle(x[k + 1][i]);
        y[k][i] = radius * p.cos;
        y[k + 1][i] = radius * p.sin;
      }
    }
    for (std::size_t i = 0; i < 4 * kLanes && at + i < n; ++i) out[at + i] = y[i % 4][i / 4];
  }
}

}  // namespace rae::loops
