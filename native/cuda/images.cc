#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "stream.h"

namespace rae::cuda {
namespace {

using at::Tensor;

template <class Kernel>
Tensor augment(const Tensor& x, const Tensor& draws, const Kernel& kernel) {
  const Tensor in = x.to(at::kFloat).contiguous(), r = draws.to(x.device(), at::kFloat).contiguous();
  Tensor out = at::empty_like(in);
  const Tensor sums = at::empty({x.size(0) * kernels::kParts}, in.options().dtype(at::kDouble));
  const kernels::Images images{floats(in), floats(out), floats(r), x.size(0), x.size(1), x.size(2), x.size(3)};
  if (in.numel() > 0) on_stream_of(x.device(), [&](cudaStream_t stream) { kernel(images, doubles(sums), stream); });
  return out.to(x.scalar_type());
}

}  // namespace

Tensor diffaug(const Tensor& x, const Tensor& draws) { return augment(x, draws, kernels::diffaug); }
Tensor diffaug_grad(const Tensor& grad, const Tensor& draws) { return augment(grad, draws, kernels::diffaug_grad); }

Tensor quantize8(const Tensor& x) {
  const Tensor in = x.to(at::kFloat).contiguous();
  Tensor out = at::empty_like(in);
  if (in.numel() > 0) on_stream_of(x.device(), [&](cudaStream_t stream) { kernels::quantize8(floats(in), floats(out), in.numel(), stream); });
  return out.to(x.scalar_type());
}

}  // namespace rae::cuda
