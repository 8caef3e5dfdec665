// The innermost loops of our own kernels over contiguous memory, compiled for AVX-512, AVX2 and the baseline and chosen when the addon
// loads, so that one build runs on any x86-64. Plain C++ that the compiler vectorises; blocks are short enough for the first-level cache.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rae::loops {

using bf16 = std::uint16_t;  // the upper half of a float32

constexpr std::size_t kBlock = 2048;  // elements a loop is handed at a time where it goes through a buffer

void widen(const bf16* in, float* out, std::size_t n);
// Rounds to nearest even, NaN stays NaN.
void narrow(const float* in, bf16* out, std::size_t n);

struct AdamW {
  float decay;       // 1 - lr · weight decay
  float beta1, beta2;
  float step;        // lr / (1 - β₁ᵗ)
  float correction;  // 1 / (1 - β₂ᵗ)
  float eps, grad_scale;
};
// One AdamW step on n weights; `working`, where not null, receives the new weights rounded.
void adamw(float* param, float* m, float* v, const float* grad, bf16* working, std::size_t n, const AdamW& h);

// average = decay · average + (1 - decay) · value
void ema(float* average, const float* value, std::size_t n, float decay);
void add(float* sum, const float* value, std::size_t n);

// Sum of squares, in double; `finite` becomes false where any element is infinite or NaN.
double sum_squares(const float* in, std::size_t n, bool& finite);

// Σ w (a / (|a| + eps) - b / (|b| + eps))² over the n channels of one place, and its gradient for a, times `scale`.
float unit_distance(const float* a, const float* b, const float* w, std::size_t n, float eps);
void unit_distance_grad(const float* a, const float* b, const float* w, float* grad, std::size_t n, float eps, float scale);

// round((clamp(x, -1, 1) + 1) · 127.5) / 127.5 - 1
void quantize8(const float* in, float* out, std::size_t n);

}  // namespace rae::loops
