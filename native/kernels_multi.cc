// AdamW, EMA, gradient sums and statistics over all weights of a model in one call (src/tensor/kernels.ts).
#include <algorithm>
#include <atomic>
#include <cmath>

#include "bind.h"
#include "cuda/cuda.h"
#include "multi_tensor.h"

namespace rae {
namespace {

// lr, β₁, β₂, ε, weight decay, step (from 1), gradient scale
loops::AdamW adamw_of(const Doubles& h) {
  const double lr = h.at(0), beta1 = h.at(1), beta2 = h.at(2), eps = h.at(3), weight_decay = h.at(4), step = h.at(5), scale = h.at(6);
  if (!(step >= 1)) throw Error(kInvalid, "AdamW's steps count from 1");
  return {static_cast<float>(1 - lr * weight_decay), static_cast<float>(beta1), static_cast<float>(beta2),
          static_cast<float>(lr / (1 - std::pow(beta1, step))), static_cast<float>(1 / (1 - std::pow(beta2, step))),
          static_cast<float>(eps), static_cast<float>(scale)};
}

bool on_gpu(const Tensors& tensors) { return !tensors.empty() && tensors[0].is_cuda(); }

// One for every weight, or null where a weight has no working copy.
using Working = std::vector<Optional<Tensor>>;

void check_working(const Working& working, const Tensors& params) {
  if (working.size() != params.size())
    throw Error(kShape, "working: expected " + std::to_string(params.size()) + " tensors or nulls, got " + std::to_string(working.size()));
  for (std::size_t i = 0; i < working.size(); ++i) {
    if (!working[i]) continue;
    if (working[i]->scalar_type() != at::kBFloat16) throw Error(kDtype, "working[" + std::to_string(i) + "]: expected bfloat16, got " + c10::toString(working[i]->scalar_type()));
    check_group("working", {*working[i]}, {params[i]}, true);
  }
}

void adamw(const Tensors& params, const Tensors& given_grads, const Tensors& m, const Tensors& v, const Working& working, const Doubles& hyper) {
  const loops::AdamW h = adamw_of(hyper);
  const Tensors grads = in_order_of(given_grads, params);
  check_group("params", params, params, false);
  check_group("grads", grads, params, true);
  check_group("m", m, params, false);
  check_group("v", v, params, false);
  check_working(working, params);
  if (on_gpu(params)) return cuda::adamw(params, grads, m, v, working, h);
  for_chunks(chunks_of(params), [&](const Chunk& c) {
    alignas(64) float buffer[loops::kBlock];
    auto* p = static_cast<float*>(params[c.tensor].data_ptr());
    auto* pm = static_cast<float*>(m[c.tensor].data_ptr());
    auto* pv = static_cast<float*>(v[c.tensor].data_ptr());
    auto* w = working[c.tensor] ? static_cast<loops::bf16*>(working[c.tensor]->data_ptr()) : nullptr;
    for (std::int64_t at = c.begin, end = c.begin + c.size; at < end; at += loops::kBlock) {
      const std::int64_t n = std::min<std::int64_t>(loops::kBlock, end - at);
      loops::adamw(p + at, pm + at, pv + at, as_float(grads[c.tensor], at, n, buffer), w ? w + at : nullptr, static_cast<std::size_t>(n), h);
    }
  });
}

// The values, in the memory order of what they go into.
Tensors checked(const char* name, const Tensors& into, const Tensors& from) {
  Tensors values = in_order_of(from, into);
  check_group(name, into, into, false);
  check_group("values", values, into, true);
  return values;
}

// f(destination, values, n) on blocks of two groups of tensors
template <class F>
void zip(const Tensors& into, const Tensors& values, const F& f) {
  for_chunks(chunks_of(into), [&](const Chunk& c) {
    alignas(64) float buffer[loops::kBlock];
    auto* p = static_cast<float*>(into[c.tensor].data_ptr());
    for (std::int64_t at = c.begin, end = c.begin + c.size; at < end; at += loops::kBlock) {
      const std::int64_t n = std::min<std::int64_t>(loops::kBlock, end - at);
      f(p + at, as_float(values[c.tensor], at, n, buffer), static_cast<std::size_t>(n));
    }
  });
}

void ema(const Tensors& averages, const Tensors& from, float decay) {
  const Tensors values = checked("averages", averages, from);
  if (on_gpu(averages)) return cuda::ema(averages, values, decay);
  zip(averages, values, [decay](float* a, const float* v, std::size_t n) { loops::ema(a, v, n, decay); });
}

void accumulate(const Tensors& sums, const Tensors& from) {
  const Tensors values = checked("sums", sums, from);
  if (on_gpu(sums)) return cuda::accumulate(sums, values);
  zip(sums, values, loops::add);
}

// [sum of squares, 1 where all are finite else 0]
Doubles grad_stats(const Tensors& given) {
  Tensors grads;
  for (const Tensor& t : given) grads.push_back(t.is_non_overlapping_and_dense() ? t : t.contiguous());
  check_group("grads", grads, grads, true);
  if (on_gpu(grads)) return cuda::grad_stats(grads);
  const std::vector<Chunk> chunks = chunks_of(grads);
  // One sum a chunk, added in order: the same bits with any number of threads.
  std::vector<double> sums(chunks.size());
  std::atomic<bool> all_finite{true};
  for_chunks(chunks, [&](const Chunk& c) {
    alignas(64) float buffer[loops::kBlock];
    double sum = 0;
    bool finite = true;
    for (std::int64_t at = c.begin, end = c.begin + c.size; at < end; at += loops::kBlock) {
      const std::int64_t n = std::min<std::int64_t>(loops::kBlock, end - at);
      sum += loops::sum_squares(as_float(grads[c.tensor], at, n, buffer), static_cast<std::size_t>(n), finite);
    }
    sums[&c - chunks.data()] = sum;
    if (!finite) all_finite.store(false, std::memory_order_relaxed);
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return {total, all_finite ? 1.0 : 0.0};
}

}  // namespace

void define_kernels_multi(napi_env env, napi_value exports) {
  define(env, exports, {
    def("adamw", [](const Tensors& params, const Tensors& grads, const Tensors& m, const Tensors& v, const Working& working, const Doubles& hyper) {
      adamw(params, grads, m, v, working, hyper);
    }),
    def("ema", [](const Tensors& averages, const Tensors& values, double decay) { ema(averages, values, static_cast<float>(decay)); }),
    def("accumulate", [](const Tensors& sums, const Tensors& values) { accumulate(sums, values); }),
    def("gradStats", [](const Tensors& grads) { return grad_stats(grads); }),
  });
}

}  // namespace rae
