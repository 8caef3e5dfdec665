#include <ATen/ops/empty.h>

#include "stream.h"

namespace rae::cuda {
namespace {

using at::Tensor;

template <class Kernel>
Tensor generate(const PhiloxKey& key, const Ints& shape, at::Device device, const Kernel& kernel) {
  Tensor out = at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(device));
  if (out.numel() > 0) on_stream_of(device, [&](cudaStream_t stream) { kernel(key, floats(out), out.numel(), stream); });
  return out;
}

}  // namespace

Tensor random_uniform(const PhiloxKey& key, const Ints& shape, at::Device device) { return generate(key, shape, device, kernels::random_uniform); }
Tensor random_normal(const PhiloxKey& key, const Ints& shape, at::Device device) { return generate(key, shape, device, kernels::random_normal); }

}  // namespace rae::cuda
