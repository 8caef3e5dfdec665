// Views, rearrangement, joining. Results share memory with their argument where libtorch can.
#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/chunk.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/flatten.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/narrow.h>
#include <ATen/ops/pad.h>
#include <ATen/ops/permute.h>
#include <ATen/ops/reshape.h>
#include <ATen/ops/select.h>
#include <ATen/ops/squeeze.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/transpose.h>
#include <ATen/ops/unsqueeze.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include "bind.h"

namespace rae {
namespace {

// libtorch's gradient of it adds atomically on a GPU. There it is a product with the weights of the rows and one with those of the columns.
Tensor bilinear(const Tensor& t, const Ints& size) {
  if (t.is_cpu()) return at::upsample_bilinear2d(t, size, /*align_corners=*/false);
  auto weights = [&](std::int64_t from, std::int64_t to) {
    const Tensor unit = at::eye(from, t.options().requires_grad(false)).view({1, 1, from, from});
    return at::upsample_bilinear2d(unit, {to, from}, /*align_corners=*/false).view({to, from});
  };
  return at::matmul(at::matmul(weights(t.size(2), size[0]), t), weights(t.size(3), size[1]).transpose(0, 1));
}

Tensor interpolate(const Tensor& t, const Ints& size, const std::string& mode, bool antialias) {
  if (t.dim() != 4) throw Error(kShape, "interpolate wants [batch, channels, height, width]");
  if (mode == "bilinear" && antialias) return at::_upsample_bilinear2d_aa(t, size, /*align_corners=*/false);
  if (mode == "bilinear") return bilinear(t, size);
  if (mode == "bicubic" && antialias) return at::_upsample_bicubic2d_aa(t, size, /*align_corners=*/false);
  if (mode == "bicubic") return at::upsample_bicubic2d(t, size, /*align_corners=*/false);
  throw Error(kInvalid, "interpolate knows bilinear and bicubic, not " + mode);
}

}  // namespace

void define_shape(napi_env env, napi_value exports) {
  define(env, exports, {
    def("reshape", [](const Tensor& t, const Ints& shape) { return at::reshape(t, shape); }),
    def("view", [](const Tensor& t, const Ints& shape) { return t.view(shape); }),
    def("transpose", [](const Tensor& t, std::int64_t a, std::int64_t b) { return at::transpose(t, a, b); }),
    def("permute", [](const Tensor& t, const Ints& dims) { return at::permute(t, dims); }),
    def("flatten", [](const Tensor& t, std::int64_t from, std::int64_t to) { return at::flatten(t, from, to); }),
    def("expand", [](const Tensor& t, const Ints& shape) { return t.expand(shape); }),
    def("cat", [](const Tensors& ts, std::int64_t dim) { return at::cat(ts, dim); }),
    def("stack", [](const Tensors& ts, std::int64_t dim) { return at::stack(ts, dim); }),
    def("chunk", [](const Tensor& t, std::int64_t n, std::int64_t dim) {
      auto parts = at::chunk(t, n, dim);
      return Tensors(std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
    }),
    def("narrow", [](const Tensor& t, std::int64_t dim, std::int64_t start, std::int64_t length) { return at::narrow(t, dim, start, length); }),
    def("select", [](const Tensor& t, std::int64_t dim, std::int64_t index) { return at::select(t, dim, index); }),
    def("unsqueeze", [](const Tensor& t, std::int64_t dim) { return at::unsqueeze(t, dim); }),
    def("squeeze", [](const Tensor& t, std::int64_t dim) { return at::squeeze(t, dim); }),
    def("pad", [](const Tensor& t, const Ints& pads, const std::string& mode, Optional<double> value) { return at::pad(t, pads, mode, value); }),
    def("contiguous", [](const Tensor& t) { return t.contiguous(); }),
    def("channelsLast", [](const Tensor& t) { return t.contiguous(at::MemoryFormat::ChannelsLast); }),
    def("indexSelect", [](const Tensor& t, std::int64_t dim, const Tensor& index) { return at::index_select(t, dim, index); }),
    def("interpolate", [](const Tensor& t, const Ints& size, const std::string& mode, bool antialias) { return interpolate(t, size, mode, antialias); }),
  });
}

}  // namespace rae
