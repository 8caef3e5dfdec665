// Matrix products, convolutions, attention, normalisation.
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/div.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/softmax.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR >= 2
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

#include <cmath>

#include "activations.h"
#include "bind.h"

namespace rae {
namespace {

// softmax(q kᵀ / √D) v over [batch, heads, tokens, D].
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v) {
#if TORCH_VERSION_MAJOR >= 2
  return at::scaled_dot_product_attention(q, k, v);
#else
  const double root = std::sqrt(static_cast<double>(q.size(-1)));
  const Tensor kt = k.transpose(-2, -1);
  // Scaling q touches tokens × D numbers, scaling the product tokens × tokens. In float32 the product is scaled all the same: it rounds as
  // published implementations do, and golden values behind an 8-bit rounding or a kink depend on that.
  const Tensor scores = q.scalar_type() == at::kFloat ? at::div(at::matmul(q, kt), root) : at::matmul(at::mul(q, 1 / root), kt);
  return at::matmul(at::softmax(scores, -1), v);
#endif
}

}  // namespace

void define_linear(napi_env env, napi_value exports) {
  define(env, exports, {
    def("matmul", [](const Tensor& a, const Tensor& b) { return at::matmul(a, b); }),
    def("linear", [](const Tensor& x, const Tensor& w, const Optional<Tensor>& b) { return at::linear(x, w, b); }),
    def("conv2d", [](const Tensor& x, const Tensor& w, const Optional<Tensor>& b, const Ints& stride, const Ints& padding) {
      return at::conv2d(x, w, b, stride, padding);
    }),
    def("conv1d", [](const Tensor& x, const Tensor& w, const Optional<Tensor>& b, std::int64_t stride, std::int64_t padding, std::int64_t groups) {
      return at::conv1d(x, w, b, stride, padding, /*dilation=*/1, groups);
    }),
    def("maxPool2d", [](const Tensor& x, std::int64_t kernel, std::int64_t stride) { return at::max_pool2d(x, kernel, stride); }),
    def("attention", [](const Tensor& q, const Tensor& k, const Tensor& v) { return attention(q, k, v); }),
    def("layerNorm", [](const Tensor& x, std::int64_t width, const Optional<Tensor>& w, const Optional<Tensor>& b, double eps) {
      return layer_norm(x, width, w, b, eps);
    }),
    def("groupNorm", [](const Tensor& x, std::int64_t groups, const Optional<Tensor>& w, const Optional<Tensor>& b, double eps) {
      return at::group_norm(x, groups, w, b, eps);
    }),
  });
}

}  // namespace rae
