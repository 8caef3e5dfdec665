// Matrix products, convolutions, attention, normalisation.
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max_pool2d.h>

#include "activations.h"
#include "attention.h"
#include "bind.h"
#include "linear.h"

namespace rae {
void define_linear(napi_env env, napi_value exports) {
  define(env, exports, {
    def("matmul", [](const Tensor& a, const Tensor& b) { return at::matmul(a, b); }),
    def("linear", [](const Tensor& x, const Tensor& w, const Optional<Tensor>& b) { return linear(x, w, b); }),
    def("conv2d", [](const Tensor& x, const Tensor& w, const Optional<Tensor>& b, const Ints& stride, const Ints& padding) {
      return at::conv2d(x, w, b, stride, padding);
    }),
    def("conv1d", [](const Tensor& x, const Tensor& w, const Optional<Tensor>& b, std::int64_t stride, std::int64_t padding, std::int64_t groups) {
      return at::conv1d(x, w, b, stride, padding, /*dilation=*/1, groups);
    }),
    def("maxPool2d", [](const Tensor& x, std::int64_t kernel, std::int64_t stride) { return at::max_pool2d(x, kernel, stride); }),
    def("avgPool2d", [](const Tensor& x, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
      return at::avg_pool2d(x, kernel, stride, padding, /*ceil_mode=*/false, /*count_include_pad=*/false);
    }),
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
