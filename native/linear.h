// x wᵀ + b over the last dimension of x: our own bfloat16 product (gemm_bf16.h) where the processor has the instructions, else libtorch's.
#pragma once
#include "convert.h"

namespace rae {

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const Optional<at::Tensor>& b);

}  // namespace rae
