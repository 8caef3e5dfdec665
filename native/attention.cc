// Attention in bfloat16 on the CPU. Where it has the instructions, fused by head (attention_avx512.h); elsewhere the products are libtorch's
// (oneDNN), the softmax and its gradient are ours, in place on the scores.
#include "attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR >= 2
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

#include <cmath>
#include <vector>

#include "attention_avx512.h"
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
  Tensor out, p;  // p: what the backward needs of the softmax, itself or its log sums
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
  if (q.dim() != 4 || k.dim() != 4 || q.numel() == 0) return false;
  for (const Tensor* t : {&q, &k, &v})
    if (!t->is_cpu() || t->scalar_type() != at::kBFloat16 || t->sizes() != (t == &q ? q.sizes() : k.sizes())) return false;
  return q.size(0) == k.size(0) && q.size(1) == k.size(1) && q.size(3) == k.size(3) && k.numel() > 0;
}

// The fused kernel walks rows with any stride between them.
Tensor with_rows(const Tensor& t) { return t.stride(3) == 1 ? t : t.contiguous(); }

struct Heads {
  loops::bf16* data;
  std::int64_t heads, batch_stride, head_stride, row_stride;
  explicit Heads(const Tensor& t) : data(bits(t)), heads(t.size(1)), batch_stride(t.stride(0)), head_stride(t.stride(1)), row_stride(t.stride(2)) {}
  avx512::MutableRows at(std::int64_t i) const { return {data + i / heads * batch_stride + i % heads * head_stride, row_stride}; }
  avx512::Rows rows(std::int64_t i) const { return {at(i).data, row_stride}; }
};

// [batch, heads, tokens, D] that lies in memory as [batch, tokens, heads, D], as the layers around attention want it.
Tensor beside(const Tensor& like) { return at::empty({like.size(0), like.size(2), like.size(1), like.size(3)}, like.options()).transpose(1, 2); }

avx512::HeadSize size_of(const Tensor& q, const Tensor& k) { return {q.size(2), k.size(2), q.size(3), scale_of(q)}; }

// f(head, scratch) for every head of every batch element
template <class F>
void for_heads(const Tensor& q, std::size_t scratch_bytes, const F& f) {
  at::parallel_for(0, q.size(0) * q.size(1), 1, [&](std::int64_t begin, std::int64_t end) {
    const Tensor scratch = at::empty({static_cast<std::int64_t>(scratch_bytes)}, at::TensorOptions().dtype(at::kByte));
    for (std::int64_t i = begin; i < end; ++i) f(i, scratch.data_ptr());
  });
}

struct Fused : torch::autograd::Function<Fused> {
  static Attended run(const Tensor& q, const Tensor& k, const Tensor& v) {
    const avx512::HeadSize size = size_of(q, k);
    Attended result{beside(q), at::empty({q.size(0) * q.size(1), q.size(2)}, at::TensorOptions().dtype(at::kFloat))};
    const Heads hq(q), hk(k), hv(v), out(result.out);
    auto* sums = static_cast<float*>(result.p.data_ptr());
    for_heads(q, avx512::forward_scratch(size), [&](std::int64_t i, void* scratch) {
      avx512::forward_head(size, hq.rows(i), hk.rows(i), hv.rows(i), out.at(i), sums + i * size.queries, scratch);
    });
    return result;
  }
  static Tensor forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v) {
    const Attended result = run(q, k, v);
    context->save_for_backward({q, k, v, result.out, result.p});
    return result.out;
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const auto saved = context->get_saved_variables();
    const Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], grad = with_rows(grads[0]);
    const avx512::HeadSize size = size_of(q, k);
    const Tensor dq = beside(q), dk = beside(k), dv = beside(v);
    const Heads hq(q), hk(k), hv(v), ho(out), hg(grad), hdq(dq), hdk(dk), hdv(dv);
    const auto* sums = static_cast<const float*>(saved[4].data_ptr());
    for_heads(q, avx512::backward_scratch(size), [&](std::int64_t i, void* scratch) {
      avx512::backward_head(size, hq.rows(i), hk.rows(i), hv.rows(i), ho.rows(i), sums + i * size.queries, hg.rows(i), hdq.at(i), hdk.at(i), hdv.at(i), scratch);
    });
    return {dq, dk, dv};
  }
};

bool fusable(const Tensor& q) {
  static const bool supported = avx512::supported();
  return supported && q.size(3) % 2 == 0 && q.size(3) <= avx512::kMaxWidth;
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v) {
  if (ours(q, k, v) && fusable(q)) {
    const Tensor rq = with_rows(q), rk = with_rows(k), rv = with_rows(v);
    return at::GradMode::is_enabled() ? Fused::apply(rq, rk, rv) : Fused::run(rq, rk, rv).out;
  }
  if (ours(q, k, v)) {
    const Tensor sq = stacked(q), sk = stacked(k), sv = stacked(v);
    return (at::GradMode::is_enabled() ? Attention::apply(sq, sk, sv) : forward(sq, sk, sv).out).view(q.sizes());
  }
#if TORCH_VERSION_MAJOR >= 2
  if (q.is_cuda() && q.scalar_type() == at::kBFloat16) return at::scaled_dot_product_attention(q, k, v);
#endif
  // The product is scaled, not q: so it rounds as published implementations do, and golden values behind an 8-bit rounding depend on that.
  const Tensor scores = at::div(at::matmul(q, k.transpose(-2, -1)), std::sqrt(static_cast<double>(q.size(-1))));
  return at::matmul(at::softmax(scores, -1), v);
}

}  // namespace rae
