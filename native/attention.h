#pragma once
#include <ATen/core/Tensor.h>

namespace rae {

// softmax(q kᵀ / √D) v over [batch, heads, tokens, D].
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace rae
