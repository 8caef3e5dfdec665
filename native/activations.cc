#include "activations.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "multi_tensor.h"

namespace rae {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrain = 1 << 14;  // elements a thread takes at least

bool ours(const Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.is_non_overlapping_and_dense(); }
loops::bf16* bits(const Tensor& t) { return static_cast<loops::bf16*>(t.data_ptr()); }

// The gradient in the memory order of `like`, so that both can be walked as flat memory.
Tensor in_order(const Tensor& grad, const Tensor& like) {
  if (grad.scalar_type() == like.scalar_type() && grad.strides() == like.strides()) return grad;
  return at::empty_like(like).copy_(grad);
}

// f(begin, n) for blocks of kBlock elements
template <class F>
void for_blocks(std::int64_t size, const F& f) {
  at::parallel_for(0, size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; at += loops::kBlock) f(at, static_cast<std::size_t>(std::min<std::int64_t>(loops::kBlock, end - at)));
  });
}

Tensor gelu_forward(const Tensor& x, bool tanh) {
  Tensor y = at::empty_like(x);
  for_blocks(x.numel(), [&](std::int64_t at, std::size_t n) {
    alignas(64) float in[loops::kBlock], out[loops::kBlock];
    loops::widen(bits(x) + at, in, n);
    (tanh ? loops::gelu_tanh : loops::gelu)(in, out, n);
    loops::narrow(out, bits(y) + at, n);
  });
  return y;
}

Tensor gelu_backward(const Tensor& x, const Tensor& given, bool tanh) {
  const Tensor grad = in_order(given, x);
  Tensor result = at::empty_like(x);
  for_blocks(x.numel(), [&](std::int64_t at, std::size_t n) {
    alignas(64) float in[loops::kBlock], g[loops::kBlock], out[loops::kBlock];
    loops::widen(bits(x) + at, in, n);
    loops::widen(bits(grad) + at, g, n);
    (tanh ? loops::gelu_tanh_grad : loops::gelu_grad)(in, g, out, n);
    loops::narrow(out, bits(result) + at, n);
  });
  return result;
}

struct Gelu : torch::autograd::Function<Gelu> {
  static Tensor forward(AutogradContext* context, const Tensor& x, bool tanh) {
    context->save_for_backward({x});
    context->saved_data["tanh"] = tanh;
    return gelu_forward(x, tanh);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    return {gelu_backward(context->get_saved_variables()[0], grads[0], context->saved_data["tanh"].toBool()), Tensor()};
  }
};

Tensor relu_forward(const Tensor& x) {
  Tensor y = at::empty_like(x);
  at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) { loops::relu(bits(x) + begin, bits(y) + begin, end - begin); });
  return y;
}

Tensor relu_backward(const Tensor& y, const Tensor& given) {
  const Tensor grad = in_order(given, y);
  Tensor out = at::empty_like(y);
  at::parallel_for(0, y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    loops::relu_grad(bits(y) + begin, bits(grad) + begin, bits(out) + begin, end - begin);
  });
  return out;
}

struct Relu : torch::autograd::Function<Relu> {
  static Tensor forward(AutogradContext* context, const Tensor& x) {
    Tensor y = relu_forward(x);
    context->save_for_backward({y});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) { return {relu_backward(context->get_saved_variables()[0], grads[0])}; }
};

}  // namespace

Tensor gelu(const Tensor& x, const std::string& approximate) {
  if (!ours(x) || (approximate != "tanh" && approximate != "none")) return at::gelu(x, approximate);
  return at::GradMode::is_enabled() ? Gelu::apply(x, approximate == "tanh") : gelu_forward(x, approximate == "tanh");
}

Tensor relu(const Tensor& x) {
  if (!ours(x)) return at::relu(x);
  return at::GradMode::is_enabled() ? Relu::apply(x) : relu_forward(x);
}

}  // namespace rae
