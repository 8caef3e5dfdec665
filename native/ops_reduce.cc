#include <ATen/ops/abs.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/max.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/var.h>

#include "bind.h"

namespace rae {

void define_reduce(napi_env env, napi_value exports) {
  define(env, exports, {
    def("sum", [](const Tensor& t) { return at::sum(t); }),
    def("sumDims", [](const Tensor& t, const Ints& dims, bool keepdim) { return at::sum(t, dims, keepdim); }),
    def("mean", [](const Tensor& t) { return at::mean(t); }),
    def("meanDims", [](const Tensor& t, const Ints& dims, bool keepdim) { return at::mean(t, dims, keepdim); }),
    def("variance", [](const Tensor& t, const Ints& dims, bool unbiased, bool keepdim) { return at::var(t, c10::IntArrayRef(dims), unbiased, keepdim); }),
    // L2 of all elements, accumulated and returned in float32 also for 16-bit tensors.
    def("norm", [](const Tensor& t) {
      const auto dtype = t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
      return at::linalg_vector_norm(t, 2, at::OptionalIntArrayRef(), false, dtype);
    }),
    def("maxAbs", [](const Tensor& t) {
      if (t.numel() == 0) throw Error(kShape, "maxAbs of no elements");
      return at::max(at::abs(t)).item().toDouble();
    }),
  });
}

}  // namespace rae
