#include "linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "gemm_bf16.h"
#include "gemm_onednn.h"

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

// A way to multiply: x wᵀ + b, and its gradients for x and w from g, the gradient of the result; all dense.
struct OwnBf16 {
  static Tensor x_wt(const Tensor& x, const Tensor& w, const Tensor& b) {
    Tensor out = at::empty(with_last(x, w.size(0)), x.options());
    gemm::x_wt(bits(x), bits(w), b.defined() ? bits(b) : nullptr, bits(out), x.numel() / w.size(1), w.size(0), w.size(1));
    return out;
  }
  static Tensor g_w(const Tensor& g, const Tensor& w) {
    Tensor out = at::empty(with_last(g, w.size(1)), g.options());
    gemm::g_w(bits(g), bits(w), bits(out), g.numel() / w.size(0), w.size(0), w.size(1));
    return out;
  }
  static Tensor gt_x(const Tensor& g, const Tensor& x) {
    const std::int64_t N = g.size(-1), K = x.size(-1);
    Tensor out = at::empty({N, K}, x.options());
    gemm::gt_x(bits(g), bits(x), bits(out), g.numel() / N, N, K);
    return out;
  }
};

struct OneDnnFloat {
  static Tensor x_wt(const Tensor& x, const Tensor& w, const Tensor& b) { return onednn::x_wt(x, w, b); }
  static Tensor g_w(const Tensor& g, const Tensor& w) { return onednn::x_wt(g, w.t(), {}); }
  static Tensor gt_x(const Tensor& g, const Tensor& x) {
    return onednn::x_wt(g.view({-1, g.size(-1)}).t(), x.view({-1, x.size(-1)}).t(), {});
  }
};

template <class Product>
struct Linear : torch::autograd::Function<Linear<Product>> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, const Tensor& b) {
    context->save_for_backward({x, w});
    context->saved_data["x"] = x.requires_grad();
    context->saved_data["w"] = w.requires_grad();
    context->saved_data["b"] = b.defined() && b.requires_grad();
    return Product::x_wt(x, w, b);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &w = saved[1];
    const Tensor g = grads[0].to(w.scalar_type()).contiguous();
    Tensor gx, gw, gb;
    if (context->saved_data["x"].toBool()) gx = Product::g_w(g, w);
    if (context->saved_data["w"].toBool()) gw = Product::gt_x(g, x);
    // sums are in float32, whatever goes in
    if (context->saved_data["b"].toBool()) gb = at::sum(g.view({-1, w.size(0)}), {0}, false, at::kFloat).to(w.scalar_type());
    return {gx, gw, gb};
  }
};

template <class Product>
Tensor multiply(const Tensor& x, const Tensor& w, const Tensor& b) {
  // contiguous is recorded too, so a view's gradient finds its way
  if (at::GradMode::is_enabled() && (x.requires_grad() || w.requires_grad() || (b.defined() && b.requires_grad()))) return Linear<Product>::apply(x.contiguous(), w, b);
  return Product::x_wt(x.contiguous(), w, b);
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Optional<Tensor>& b) {
  const Tensor bias = b ? *b : Tensor();
  if (fits(x, w, b)) return multiply<OwnBf16>(x, w, bias);
  if (onednn::takes(x, w)) return multiply<OneDnnFloat>(x, w, bias);
  return at::linear(x, w, b);
}

}  // namespace rae
