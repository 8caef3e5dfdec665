#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "stream.h"

namespace rae::cuda {
namespace {

using at::Tensor;

template <class T>
kernels::Features<T> features_of(const Tensor& a, const Tensor& b, const Tensor& weight, float eps) {
  return {static_cast<const T*>(a.data_ptr()), static_cast<const T*>(b.data_ptr()), floats(weight), a.size(0) * a.size(2) * a.size(3), static_cast<int>(a.size(1)), eps};
}

}  // namespace

Tensor lpips_distance(const Tensor& a, const Tensor& b, const Tensor& weight, float eps) {
  const Tensor distances = at::empty({a.size(0), a.size(2) * a.size(3)}, weight.options());
  if (a.numel() > 0)
    on_stream_of(a.device(), [&](cudaStream_t stream) {
      if (a.scalar_type() == at::kFloat) kernels::unit_distance(features_of<float>(a, b, weight, eps), floats(distances), stream);
      else kernels::unit_distance(features_of<loops::bf16>(a, b, weight, eps), floats(distances), stream);
    });
  return distances.mean(1);
}

Tensor lpips_distance_grad(const Tensor& a, const Tensor& b, const Tensor& weight, float eps, const Tensor& grad) {
  const Tensor upstream = grad.to(at::kFloat).contiguous();
  Tensor out = at::empty_like(a);
  const std::int64_t places = a.size(2) * a.size(3);
  if (a.numel() > 0)
    on_stream_of(a.device(), [&](cudaStream_t stream) {
      if (a.scalar_type() == at::kFloat) kernels::unit_distance_grad(features_of<float>(a, b, weight, eps), floats(upstream), places, floats(out), stream);
      else kernels::unit_distance_grad(features_of<loops::bf16>(a, b, weight, eps), floats(upstream), places, static_cast<loops::bf16*>(out.data_ptr()), stream);
    });
  return out;
}

}  // namespace rae::cuda
