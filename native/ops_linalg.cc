// Decompositions of matrices.
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svdvals.h>

#include "bind.h"

namespace rae {

void define_linalg(napi_env env, napi_value exports) {
  define(env, exports, {
    def("singularValues", [](const Tensor& t) { return at::linalg_svdvals(t); }),
    def("triangularFactor", [](const Tensor& t) { return std::get<1>(at::linalg_qr(t, "r")); }),
    def("eigenSymmetric", [](const Tensor& t) {
      auto [values, vectors] = at::linalg_eigh(t, "L");
      return Tensors{values, vectors};
    }),
  });
}

}  // namespace rae
