// Gradients through libtorch's autograd. Grad mode is off unless asked for: libtorch starts a thread with it on.
#include <ATen/ops/alias.h>
#include <torch/csrc/autograd/autograd.h>

#include "bind.h"

namespace rae {

void define_autograd(napi_env env, napi_value exports) {
  at::GradMode::set_enabled(false);
  define(env, exports, {
    // Returns the mode that was on before.
    def("setGradMode", [](bool on) {
      const bool before = at::GradMode::is_enabled();
      at::GradMode::set_enabled(on);
      return before;
    }),
    def("leaf", [](const Tensor& t) {
      Tensor leaf = t.detach();
      leaf.set_requires_grad(true);
      return leaf;
    }),
    def("detach", [](const Tensor& t) { return t.detach(); }),
    def("requiresGrad", [](const Tensor& t) { return t.requires_grad(); }),
    // Sum over the outputs of gradOutput · ∂output/∂input, for every input at once.
    def("grad", [](const Tensors& outputs, const Tensors& inputs, const Tensors& gradOutputs, bool retainGraph) {
      return torch::autograd::grad(outputs, inputs, gradOutputs, retainGraph, /*create_graph=*/false, /*allow_unused=*/false);
    }),
  });
}

}  // namespace rae
