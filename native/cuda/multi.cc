#include <ATen/ops/zeros.h>

#include "stream.h"

namespace rae::cuda {
namespace {

using at::Tensor;

// `into` may be empty: statistics only read.
kernels::Group group_of(const Tensors& into, const Tensors& values) {
  kernels::Group group;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Tensor& value = values[i];
    group.push_back({into.empty() ? nullptr : floats(into[i]), value.data_ptr(), nullptr, nullptr, nullptr, value.numel(), value.scalar_type() == at::kBFloat16});
  }
  return group;
}

}  // namespace

void adamw(const Tensors& params, const Tensors& grads, const Tensors& m, const Tensors& v, const std::vector<Optional<Tensor>>& working, const loops::AdamW& h) {
  kernels::Group group = group_of(params, grads);
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i].m = floats(m[i]);
    group[i].v = floats(v[i]);
    if (working[i]) group[i].working = static_cast<loops::bf16*>(working[i]->data_ptr());
  }
  on_stream_of(params[0].device(), [&](cudaStream_t stream) { kernels::adamw(group, h, stream); });
}

void ema(const Tensors& averages, const Tensors& values, float decay) {
  on_stream_of(averages[0].device(), [&](cudaStream_t stream) { kernels::ema(group_of(averages, values), decay, stream); });
}

void accumulate(const Tensors& sums, const Tensors& values) {
  on_stream_of(sums[0].device(), [&](cudaStream_t stream) { kernels::accumulate(group_of(sums, values), stream); });
}

Doubles grad_stats(const Tensors& grads) {
  const kernels::Group group = group_of({}, grads);
  const std::int64_t chunks = kernels::chunks_of(group);
  // one sum a chunk, and behind them the mark of what is not finite
  const Tensor results = at::zeros({chunks + 1}, grads[0].options().dtype(at::kDouble));
  on_stream_of(grads[0].device(), [&](cudaStream_t stream) { kernels::sum_squares(group, doubles(results), doubles(results) + chunks, stream); });
  const Tensor host = results.cpu();
  double total = 0;  // in order: the same bits every time
  for (std::int64_t i = 0; i < chunks; ++i) total += doubles(host)[i];
  return {total, doubles(host)[chunks] == 0 ? 1.0 : 0.0};
}

}  // namespace rae::cuda
