// Counter-based randomness: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). No state: a draw is a
// function of its key alone, the same in src/random (TypeScript) and on the GPU bit for bit (normal: as far as both compute log, sin and cos alike).
//
//   key tuple (k0, k1, c2, c3) of uint32: (k0, k1) is Philox's key, (c2, c3) the counter's words 2 and 3; words 0 and 1 are the low
//   and high half of the 64-bit index of the block. Block i gives the four uint32 with the sequence numbers 4i … 4i+3.
//   uniform   element n = (x[n] >> 8) · 2⁻²⁴, a float32 in [0, 1)
//   normal    Box-Muller on the pairs (x[2j], x[2j+1]) in double: u1 = (x[2j] + 0.5) · 2⁻³², u2 = (x[2j+1] + 0.5) · 2⁻³²,
//             element 2j = √(−2 ln u1) cos 2πu2, element 2j+1 = √(−2 ln u1) sin 2πu2, rounded to float32;
//             loops_random.cc computes the same in float32, within 1e-6
#pragma once
#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define ON_BOTH_SIDES __host__ __device__
#else
#define ON_BOTH_SIDES
#endif

namespace rae {

struct PhiloxKey {
  std::uint32_t k0, k1, c2, c3;
};
struct PhiloxBlock {
  std::uint32_t x[4];
};

ON_BOTH_SIDES inline PhiloxBlock philox(const PhiloxKey& key, std::uint64_t block) {
  std::uint32_t c0 = static_cast<std::uint32_t>(block), c1 = static_cast<std::uint32_t>(block >> 32), c2 = key.c2, c3 = key.c3;
  std::uint32_t k0 = key.k0, k1 = key.k1;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0, p1 = std::uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

ON_BOTH_SIDES inline void uniform(const PhiloxBlock& block, float* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<float>(block.x[i] >> 8) * 0x1p-24f;
}

ON_BOTH_SIDES inline void normal(const PhiloxBlock& block, float* out) {
  constexpr double kTurn = 6.283185307179586;
  for (int i = 0; i < 4; i += 2) {
    const double radius = std::sqrt(-2 * std::log((block.x[i] + 0.5) * 0x1p-32));
    const double angle = kTurn * ((block.x[i + 1] + 0.5) * 0x1p-32);
    out[i] = static_cast<float>(radius * std::cos(angle));
    out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace rae
