// Loops over one row at a time: layer normalisation, softmax.
#include <cmath>
#include <limits>

#include "loops.h"
#include "vector_math.h"

namespace rae::loops {

FOR_EVERY_CPU Moments moments(const float* __restrict x, std::size_t n, float eps) {
  SUM_LANES(sum, n, x[i])
  const float mean = sum / static_cast<float>(n);
  // the sum of squares about the mean: x² - mean² would cancel
  SUM_LANES(squares, n, (x[i] - mean) * (x[i] - mean))
  return {mean, 1.0f / std::sqrt(squares / static_cast<float>(n) + eps)};
}

FOR_EVERY_CPU void normalise(const float* __restrict x, float* __restrict y, std::size_t n, Moments m) {
  for (std::size_t i = 0; i < n; ++i) y[i] = (x[i] - m.mean) * m.rstd;
}

FOR_EVERY_CPU void normalise_affine(const float* __restrict x, const float* __restrict w, const float* __restrict b, float* __restrict y, std::size_t n, Moments m) {
  for (std::size_t i = 0; i < n; ++i) y[i] = (x[i] - m.mean) * m.rstd * w[i] + b[i];
}

FOR_EVERY_CPU void normalise_grad(const float* __restrict x, const float* __restrict g, const float* __restrict w, float* __restrict out, std::size_t n, Moments m) {
  SUM_LANES(along_one, n, g[i] * w[i])
  SUM_LANES(along_x, n, g[i] * w[i] * (x[i] - m.mean))
  const float a = along_one / static_cast<float>(n), b = along_x * m.rstd * m.rstd / static_cast<float>(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = m.rstd * (g[i] * w[i] - a - (x[i] - m.mean) * b);
}

FOR_EVERY_CPU void affine_grad(const float* __restrict x, const float* __restrict g, float* __restrict dw, float* __restrict db, std::size_t n, Moments m) {
  for (std::size_t i = 0; i < n; ++i) {
    dw[i] += g[i] * (x[i] - m.mean) * m.rstd;
    db[i] += g[i];
  }
}

FOR_EVERY_CPU void softmax(float* __restrict row, std::size_t n, float scale) {
  float lanes[16];
  for (float& lane : lanes) lane = -std::numeric_limits<float>::infinity();
  std::size_t at = 0;
  for (; at + 16 <= n; at += 16)
    for (std::size_t k = 0; k < 16; ++k) lanes[k] = row[at + k] > lanes[k] ? row[at + k] : lanes[k];
  for (std::size_t k = 0; at + k < n; ++k) lanes[k] = row[at + k] > lanes[k] ? row[at + k] : lanes[k];
  float most = lanes[0];
  for (float lane : lanes) most = lane > most ? lane : most;
  for (std::size_t i = 0; i < n; ++i) row[i] = exp((row[i] - most) * scale);
  SUM_LANES(sum, n, row[i])
  const float factor = 1.0f / sum;
  for (std::size_t i = 0; i < n; ++i) row[i] *= factor;
}

FOR_EVERY_CPU void softmax_grad(const float* __restrict p, float* __restrict g, std::size_t n, float scale) {
  SUM_LANES(sum, n, p[i] * g[i])
  for (std::size_t i = 0; i < n; ++i) g[i] = p[i] * (g[i] - sum) * scale;
}

}  // namespace rae::loops
