// Element by element: arithmetic, comparison, activations.
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/div.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/round.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/where.h>

#include "activations.h"
#include "bind.h"

namespace rae {

using at::Scalar;

void define_pointwise(napi_env env, napi_value exports) {
  define(env, exports, {
    def("add", [](const Tensor& a, const Tensor& b) { return at::add(a, b); }),
    def("sub", [](const Tensor& a, const Tensor& b) { return at::sub(a, b); }),
    def("mul", [](const Tensor& a, const Tensor& b) { return at::mul(a, b); }),
    def("div", [](const Tensor& a, const Tensor& b) { return at::div(a, b); }),
    def("addScalar", [](const Tensor& a, const Scalar& b) { return at::add(a, b); }),
    def("subScalar", [](const Tensor& a, const Scalar& b) { return at::sub(a, b); }),
    def("scalarSub", [](const Tensor& a, const Scalar& b) { return at::rsub(a, b); }),
    def("mulScalar", [](const Tensor& a, const Scalar& b) { return at::mul(a, b); }),
    def("divScalar", [](const Tensor& a, const Scalar& b) { return at::div(a, b); }),
    def("powScalar", [](const Tensor& a, const Scalar& b) { return at::pow(a, b); }),
    def("neg", [](const Tensor& t) { return at::neg(t); }),
    def("sqrt", [](const Tensor& t) { return at::sqrt(t); }),
    def("exp", [](const Tensor& t) { return at::exp(t); }),
    def("log", [](const Tensor& t) { return at::log(t); }),
    def("abs", [](const Tensor& t) { return at::abs(t); }),
    def("square", [](const Tensor& t) { return at::square(t); }),
    def("clamp", [](const Tensor& t, const Optional<Scalar>& min, const Optional<Scalar>& max) { return at::clamp(t, min, max); }),
    def("round", [](const Tensor& t) { return at::round(t); }),
    def("floor", [](const Tensor& t) { return at::floor(t); }),
    def("maximum", [](const Tensor& a, const Tensor& b) { return at::maximum(a, b); }),
    def("minimum", [](const Tensor& a, const Tensor& b) { return at::minimum(a, b); }),
    def("where", [](const Tensor& condition, const Tensor& a, const Tensor& b) { return at::where(condition, a, b); }),
    def("lessThan", [](const Tensor& a, const Tensor& b) { return at::lt(a, b); }),
    def("greaterThan", [](const Tensor& a, const Tensor& b) { return at::gt(a, b); }),
    def("lessThanScalar", [](const Tensor& a, const Scalar& b) { return at::lt(a, b); }),
    def("greaterThanScalar", [](const Tensor& a, const Scalar& b) { return at::gt(a, b); }),
    def("relu", [](const Tensor& t) { return rae::relu(t); }),
    def("leakyRelu", [](const Tensor& t, double slope) { return at::leaky_relu(t, slope); }),
    def("gelu", [](const Tensor& t, const std::string& approximate) { return rae::gelu(t, approximate); }),
    def("softplus", [](const Tensor& t) { return at::softplus(t); }),
    def("sigmoid", [](const Tensor& t) { return at::sigmoid(t); }),
    def("softmax", [](const Tensor& t, std::int64_t dim) { return at::softmax(t, dim); }),
    def("logSoftmax", [](const Tensor& t, std::int64_t dim) { return at::log_softmax(t, dim); }),
  });
}

}  // namespace rae
