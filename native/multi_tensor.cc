#include "multi_tensor.h"

#include <ATen/ops/empty_strided.h>

namespace rae {

void check_group(const char* name, const Tensors& tensors, const Tensors& like, bool allow_bf16) {
  if (tensors.size() != like.size())
    throw Error(kShape, std::string(name) + ": expected " + std::to_string(like.size()) + " tensors, got " + std::to_string(tensors.size()));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor &t = tensors[i], &l = like[i];
    const std::string where = std::string(name) + "[" + std::to_string(i) + "]";
    if (t.scalar_type() != at::kFloat && !(allow_bf16 && t.scalar_type() == at::kBFloat16))
      throw Error(kDtype, where + ": expected float32" + (allow_bf16 ? " or bfloat16" : "") + ", got " + c10::toString(t.scalar_type()));
    if (t.sizes() != l.sizes()) throw Error(kShape, where + " has another shape than its weight");
    if (!t.is_non_overlapping_and_dense() || t.strides() != l.strides()) throw Error(kShape, where + " has another memory order than its weight");
    if (t.device() != like[0].device()) throw Error(kInvalid, where + " is on " + t.device().str() + ", the first weight on " + like[0].device().str());
  }
}

Tensors in_order_of(const Tensors& tensors, const Tensors& like) {
  Tensors result;
  result.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& t = tensors[i];
    if (i >= like.size() || t.sizes() != like[i].sizes() || t.strides() == like[i].strides()) {
      result.push_back(t);
    } else {
      at::Tensor copy = at::empty_strided(like[i].sizes(), like[i].strides(), t.options());
      copy.copy_(t);
      result.push_back(copy);
    }
  }
  return result;
}

}  // namespace rae
