#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <mutex>

#include "activations.h"
#include "multi_tensor.h"

namespace rae {
namespace {

using at::Tensor;
using loops::Moments;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrain = 8;  // rows a thread takes at least

loops::bf16* bits(const Tensor& t) { return static_cast<loops::bf16*>(t.data_ptr()); }
float* floats(const Tensor& t) { return static_cast<float*>(t.data_ptr()); }
Tensor as_floats(const Tensor& t) { return t.to(at::kFloat).contiguous(); }

// x bfloat16, contiguous; fills `kept` [rows, 2] with the rows' moments where it is defined.
Tensor forward(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Tensor& kept) {
  const std::int64_t width = x.size(-1), rows = x.numel() / std::max<std::int64_t>(width, 1);
  Tensor y = at::empty_like(x);
  const Tensor w = weight.defined() ? as_floats(weight) : Tensor(), b = weight.defined() ? as_floats(bias) : Tensor();
  at::parallel_for(0, rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> in(width), out(width);
    for (std::int64_t row = begin; row < end; ++row) {
      loops::widen(bits(x) + row * width, in.data(), width);
      const Moments m = loops::moments(in.data(), width, static_cast<float>(eps));
      if (kept.defined()) reinterpret_cast<Moments*>(kept.data_ptr())[row] = m;
      if (w.defined()) loops::normalise_affine(in.data(), floats(w), floats(b), out.data(), width, m);
      else loops::normalise(in.data(), out.data(), width, m);
      loops::narrow(out.data(), bits(y) + row * width, width);
    }
  });
  return y;
}

struct Gradients {
  Tensor x, weight, bias;
};

Gradients backward(const Tensor& x, const Tensor& weight, const Tensor& kept, const Tensor& given) {
  const std::int64_t width = x.size(-1), rows = x.numel() / std::max<std::int64_t>(width, 1);
  const Tensor grad = given.to(x.scalar_type()).contiguous();
  const Tensor w = weight.defined() ? as_floats(weight) : at::empty({width}, at::TensorOptions().dtype(at::kFloat)).fill_(1);
  Gradients result{at::empty_like(x), {}, {}};
  // One row of sums a part, added in order afterwards: the same bits whichever thread took which part.
  const std::int64_t parts = std::clamp<std::int64_t>(rows / 64, 1, 16);
  const Tensor sums = at::zeros({parts, 2, width}, at::TensorOptions().dtype(at::kFloat));
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> in(width), g(width), out(width);
    for (std::int64_t part = begin; part < end; ++part) {
      float* dw = floats(sums) + part * 2 * width;
      for (std::int64_t row = part * rows / parts; row < (part + 1) * rows / parts; ++row) {
        const Moments m = reinterpret_cast<const Moments*>(kept.data_ptr())[row];
        loops::widen(bits(x) + row * width, in.data(), width);
        loops::widen(bits(grad) + row * width, g.data(), width);
        loops::normalise_grad(in.data(), g.data(), floats(w), out.data(), width, m);
        loops::narrow(out.data(), bits(result.x) + row * width, width);
        if (weight.defined()) loops::affine_grad(in.data(), g.data(), dw, dw + width, width, m);
      }
    }
  });
  if (weight.defined()) {
    const Tensor total = sums.sum(0);
    result.weight = total.select(0, 0).to(weight.scalar_type());
    result.bias = total.select(0, 1).to(weight.scalar_type());
  }
  return result;
}

struct LayerNorm : torch::autograd::Function<LayerNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Optional<Tensor>& given_weight, const Optional<Tensor>& given_bias, double eps) {
    const Tensor kept = at::empty({x.numel() / x.size(-1), 2}, at::TensorOptions().dtype(at::kFloat));
    const Tensor weight = given_weight ? *given_weight : Tensor(), bias = given_bias ? *given_bias : Tensor();
    context->save_for_backward({x, weight, kept});
    return rae::forward(x, weight, bias, eps, kept);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    Gradients g = rae::backward(saved[0], saved[1], saved[2], grads[0]);
    return {g.x, g.weight, g.bias, Tensor()};
  }
};

}  // namespace

Tensor layer_norm(const Tensor& x, std::int64_t width, const Optional<Tensor>& weight, const Optional<Tensor>& bias, double eps) {
  const bool fits = x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.dim() > 0 && x.size(-1) == width && x.numel() > 0 && weight.has_value() == bias.has_value() &&
                    (!weight || (weight->numel() == width && bias->numel() == width && weight->scalar_type() == bias->scalar_type() && weight->is_cpu() && bias->is_cpu()));
  if (!fits) return at::layer_norm(x, width, weight, bias, eps);
  // contiguous is recorded too, so a view's gradient finds its way
  if (at::GradMode::is_enabled()) return LayerNorm::apply(x.contiguous(), weight, bias, eps);
  return forward(x.contiguous(), weight ? *weight : Tensor(), bias ? *bias : Tensor(), eps, Tensor());
}

}  // namespace rae
