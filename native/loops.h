// The innermost loops of our own kernels over contiguous memory, compiled for AVX-512, AVX2 and the baseline and chosen when the addon
// loads, so that one build runs on any x86-64. Plain C++ that the compiler vectorises; blocks are short enough for the first-level cache.
#pragma once
#include <cstddef>
#include <cstdint>

#define FOR_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

// Σ f(i) in 16 lanes: the order is fixed, and the compiler may keep a lane to a vector element.
#define SUM_LANES(result, n, term)                                     \
  float result = 0;                                                    \
  {                                                                    \
    float lanes[16] = {};                                              \
    std::size_t at = 0;                                                \
    for (; at + 16 <= n; at += 16)                                     \
      for (std::size_t k = 0; k < 16; ++k) {                           \
        const std::size_t i = at + k;                                  \
        lanes[k] += term;                                              \
      }                                                                \
    for (std::size_t k = 0; at + k < n; ++k) {                         \
      const std::size_t i = at + k;                                    \
      lanes[k] += term;                                                \
    }                                                                  \
    for (std::size_t k = 0; k < 16; ++k) result += lanes[k];           \
  }

namespace rae {
struct PhiloxKey;
}

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

// Activations (loops_pointwise.cc); `*_grad` multiply by the upstream gradient g.
void gelu(const float* x, float* y, std::size_t n);
void gelu_grad(const float* x, const float* g, float* out, std::size_t n);
void gelu_tanh(const float* x, float* y, std::size_t n);
void gelu_tanh_grad(const float* x, const float* g, float* out, std::size_t n);
void relu(const bf16* x, bf16* y, std::size_t n);
void relu_grad(const bf16* y, const bf16* g, bf16* out, std::size_t n);

// Layer normalisation of one row (loops_rows.cc).
struct Moments {
  float mean, rstd;  // 1 / √(variance + eps)
};
Moments moments(const float* x, std::size_t n, float eps);
void normalise(const float* x, float* y, std::size_t n, Moments m);
void normalise_affine(const float* x, const float* w, const float* b, float* y, std::size_t n, Moments m);
void normalise_grad(const float* x, const float* g, const float* w, float* out, std::size_t n, Moments m);
void affine_grad(const float* x, const float* g, float* dw, float* db, std::size_t n, Moments m);

// softmax(row · scale) in place, and its gradient: g becomes p (g - Σ p g) · scale.
void softmax(float* row, std::size_t n, float scale);
void softmax_grad(const float* p, float* g, std::size_t n, float scale);

// n uniforms or standard normals from block `block` of the key's stream on (loops_random.cc); random.h says which number is which.
void uniform(const PhiloxKey& key, std::uint64_t block, float* out, std::size_t n);
void normal(const PhiloxKey& key, std::uint64_t block, float* out, std::size_t n);

}  // namespace rae::loops
