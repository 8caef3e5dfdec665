// Creation, conversion, reading.
#include <ATen/ops/_to_copy.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cstring>

#include "bind.h"

namespace rae {
namespace {

at::TensorOptions options(at::ScalarType dtype, at::Device device) { return at::TensorOptions().dtype(dtype).device(device); }

Tensor from_bytes(Bytes bytes, const Ints& shape, at::ScalarType dtype) {
  Tensor t = at::empty(shape, options(dtype, at::kCPU));
  if (t.nbytes() != bytes.size) {
    throw Error(kShape, "the array holds " + std::to_string(bytes.size) + " bytes, the shape wants " + std::to_string(t.nbytes()));
  }
  if (bytes.size) std::memcpy(t.data_ptr(), bytes.data, bytes.size);
  return t;
}

// A new ArrayBuffer with the tensor's values, converted to `dtype`, in row-major order.
napi_value to_buffer(napi_env env, const Tensor& t, at::ScalarType dtype) {
  const Tensor host = t.to(options(dtype, at::kCPU)).contiguous();
  void* data;
  napi_value buffer;
  check(napi_create_arraybuffer(env, host.nbytes(), &data, &buffer), "memory for the copy");
  if (host.nbytes()) std::memcpy(data, host.data_ptr(), host.nbytes());
  return buffer;
}

}  // namespace

void define_create(napi_env env, napi_value exports) {
  define(env, exports, {
    def("zeros", [](const Ints& shape, at::ScalarType dtype, at::Device device) { return at::zeros(shape, options(dtype, device)); }),
    def("full", [](const Ints& shape, const at::Scalar& value, at::ScalarType dtype, at::Device device) { return at::full(shape, value, options(dtype, device)); }),
    def("arange", [](std::int64_t n, at::ScalarType dtype, at::Device device) { return at::arange(n, options(dtype, device)); }),
    def("fromBytes", [](Bytes bytes, const Ints& shape, at::ScalarType dtype) { return from_bytes(bytes, shape, dtype); }),
    def("to", [](const Tensor& t, Optional<at::ScalarType> dtype, Optional<at::Device> device) {
      return t.to(options(dtype ? *dtype : t.scalar_type(), device ? *device : t.device()));
    }),
    def("clone", [](const Tensor& t) { return t.clone(); }),
    def("item", [](const Tensor& t) {
      if (t.numel() != 1) throw Error(kShape, "item wants one element, got " + std::to_string(t.numel()));
      return t.item().toDouble();
    }),
    def("toBuffer", [](napi_env env, const Tensor& t, at::ScalarType dtype) { return to_buffer(env, t, dtype); }),
    def("copy_", [](const Tensor& dst, const Tensor& src) { dst.copy_(src); }),
    def("add_", [](const Tensor& dst, const Tensor& src, const at::Scalar& alpha) { dst.add_(src, alpha); }),
    def("mul_", [](const Tensor& dst, const at::Scalar& factor) { dst.mul_(factor); }),
    def("zero_", [](const Tensor& dst) { dst.zero_(); }),
  });
}

}  // namespace rae
