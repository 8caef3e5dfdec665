// Rounds images in [-1, 1] to the 256 values that an 8-bit image can hold; no gradient.
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

#include "bind.h"
#include "cuda/cuda.h"
#include "multi_tensor.h"

namespace rae {
namespace {

Tensor quantize8(const Tensor& x) {
  if (x.is_cuda()) return cuda::quantize8(x);
  const Tensor in = x.to(at::kFloat).contiguous();
  Tensor out = at::empty_like(in);
  const auto* from = static_cast<const float*>(in.data_ptr());
  auto* to = static_cast<float*>(out.data_ptr());
  at::parallel_for(0, in.numel(), 1 << 15, [&](std::int64_t begin, std::int64_t end) { loops::quantize8(from + begin, to + begin, end - begin); });
  return out.to(x.scalar_type());
}

}  // namespace

void define_kernel_quantize(napi_env env, napi_value exports) {
  define(env, exports, {def("quantize8", [](const Tensor& x) { return quantize8(x); })});
}

}  // namespace rae
