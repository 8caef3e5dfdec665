#include "linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "gemm_bf16.h"

namespace rae {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_dense_bf16(const Tensor& t) { return t.scalar_type() == at::kBFloat16 && t.is_cpu() && t.is_contiguous(); }

// The summed dimension must be even in the product and in both gradients.
bool fits(const Tensor& x, const Tensor& w, const Optional<Tensor>& b) {
  return gemm::available() && is_dense_bf16(w) && w.dim() == 2 && x.scalar_type() == at::kBFloat16 && x.is_cpu() && x.dim() >= 2 && x.size(-1) == w.size(1) &&
         x.numel() > 0 && w.size(0) % 2 == 0 && w.size(1) % 2 == 0 && (!b || !b->defined() || (is_dense_bf16(*b) && b->numel() == w.size(0)));
}

gemm::bf16* bits(const Tensor& t) { return static_cast<gemm::bf16*>(t.data_ptr()); }

std::vector<std::int64_t> with_last(const Tensor& x, std::int64_t last) {
  auto sizes = x.sizes().vec();
  sizes.back() = last;
  return sizes;
}

Tensor forward(const Tensor& x, const Tensor& w, const Tensor& b) {
  Tensor out = at::empty(with_last(x, w.size(0)), x.options());
  gemm::x_wt(bits(x), bits(w), b.defined() ? bits(b) : nullptr, bits(out), x.numel() / w.size(1), w.size(0), w.size(1));
  return out;
}

struct Linear : torch::autograd::Function<Linear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, const Tensor& b) {
    context->save_for_backward({x, w});
    context->saved_data["x"] = x.requires_grad();
    context->saved_data["w"] = w.requires_grad();
    context->saved_data["b"] = b.defined() && b.requires_grad();
    return rae::forward(x, w, b);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1];
    const std::int64_t N = w.size(0), K = w.size(1), M = x.numel() / K;
    const Tensor g = grads[0].to(at::kBFloat16).contiguous();
    Tensor gx, gw, gb;
    if (context->saved_data["x"].toBool()) {
      gx = at::empty(x.sizes(), x.options());
      gemm::g_w(bits(g), bits(w), bits(gx), M, N, K);
    }
    if (context->saved_data["w"].toBool()) {
      gw = at::empty(w.sizes(), w.options());
      gemm::gt_x(bits(g), bits(x), bits(gw), M, N, K);
    }
    // bf16 in, float32 sums inside
    if (context->saved_data["b"].toBool()) gb = at::sum(g.view({M, N}), {0}, false, at::kFloat).to(at::kBFloat16);
    return {gx, gw, gb};
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Optional<Tensor>& b) {
  if (!fits(x, w, b)) return at::linear(x, w, b);
  const Tensor bias = b ? *b : Tensor();
  // contiguous is recorded too, so a view's gradient finds its way
  if (at::GradMode::is_enabled() && (x.requires_grad() || w.requires_grad() || (bias.defined() && bias.requires_grad()))) return Linear::apply(x.contiguous(), w, bias);
  return forward(x.contiguous(), w, bias);
}

}  // namespace rae
