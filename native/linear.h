// x wᵀ + b over the last dimension of x: in bfloat16 our own product (gemm_bf16.h) where the processor has the instructions, in float32 oneDNN's
// (gemm_onednn.h) where it is large and libtorch has it, else libtorch's.
#pragma once
#include "convert.h"

namespace rae {

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const Optional<at::Tensor>& b);

}  // namespace rae
