// From JavaScript values to the arguments of an operation and back, chosen by the C++ type. To bind a new type of argument, add one
// from_js; of result, one to_js.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/SmallVector.h>
#include <node_api.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "error.h"
#include "handles.h"

namespace rae {

// libtorch's optional is c10's own up to 2.x and std's after it; take whichever its interface uses.
template <class>
struct Rebind;
template <template <class> class O, class T>
struct Rebind<O<T>> {
  template <class U>
  using to = O<U>;
};
template <class T>
using Optional = typename Rebind<decltype(std::declval<const at::TensorOptions&>().device_opt())>::template to<T>;

using Tensors = std::vector<at::Tensor>;
using Ints = c10::SmallVector<std::int64_t, 6>;
using Doubles = std::vector<double>;

// The memory of a typed array, not owned.
struct Bytes {
  void* data;
  std::size_t size;
};

inline void check(napi_status status, const char* expected) {
  if (status != napi_ok) throw Error(kInvalid, std::string("expected ") + expected);
}

template <class T>
struct Arg;

template <>
struct Arg<napi_value> {
  static napi_value from(napi_env, napi_value v) { return v; }
};
template <>
struct Arg<double> {
  static double from(napi_env env, napi_value v) {
    double x;
    check(napi_get_value_double(env, v, &x), "a number");
    return x;
  }
};
template <>
struct Arg<std::int64_t> {
  static std::int64_t from(napi_env env, napi_value v) { return static_cast<std::int64_t>(Arg<double>::from(env, v)); }
};
template <>
struct Arg<bool> {
  static bool from(napi_env env, napi_value v) {
    bool x;
    check(napi_get_value_bool(env, v, &x), "a boolean");
    return x;
  }
};
// A whole number stays an integer, so that arithmetic with it leaves an integer tensor's dtype alone.
template <>
struct Arg<at::Scalar> {
  static at::Scalar from(napi_env env, napi_value v) {
    const double x = Arg<double>::from(env, v);
    return std::abs(x) < 1e15 && x == std::trunc(x) ? at::Scalar(static_cast<std::int64_t>(x)) : at::Scalar(x);
  }
};
template <>
struct Arg<std::string> {
  static std::string from(napi_env env, napi_value v) {
    std::size_t size;
    check(napi_get_value_string_utf8(env, v, nullptr, 0, &size), "a string");
    std::string text(size, '\0');
    napi_get_value_string_utf8(env, v, text.data(), size + 1, &size);
    return text;
  }
};
template <>
struct Arg<at::Tensor> {
  static const at::Tensor& from(napi_env env, napi_value v) {
    double handle;
    check(napi_get_value_double(env, v, &handle), "a tensor");
    return handles().get(handle);
  }
};
// dtypes travel as libtorch's own numbers, which serialised models fix for good; src/tensor/dtype.ts names them.
template <>
struct Arg<at::ScalarType> {
  static at::ScalarType from(napi_env env, napi_value v) { return static_cast<at::ScalarType>(Arg<std::int64_t>::from(env, v)); }
};
// Devices travel as -1 for the CPU and n for cuda:n.
template <>
struct Arg<at::Device> {
  static at::Device from(napi_env env, napi_value v) {
    const auto index = Arg<std::int64_t>::from(env, v);
    return index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  }
};
template <class T>
struct Arg<Optional<T>> {
  static Optional<T> from(napi_env env, napi_value v) {
    napi_valuetype type;
    napi_typeof(env, v, &type);
    if (type == napi_null || type == napi_undefined) return {};
    return Optional<T>(Arg<T>::from(env, v));
  }
};
template <class V>
struct ArrayArg {
  static V from(napi_env env, napi_value v) {
    std::uint32_t size;
    check(napi_get_array_length(env, v, &size), "an array");
    V values;
    values.reserve(size);
    for (std::uint32_t i = 0; i < size; ++i) {
      napi_value item;
      napi_get_element(env, v, i, &item);
      values.push_back(Arg<typename V::value_type>::from(env, item));
    }
    return values;
  }
};
template <>
struct Arg<Ints> : ArrayArg<Ints> {};
template <>
struct Arg<Doubles> : ArrayArg<Doubles> {};
template <>
struct Arg<Tensors> : ArrayArg<Tensors> {};
template <>
struct Arg<std::vector<std::string>> : ArrayArg<std::vector<std::string>> {};
template <>
struct Arg<std::vector<Optional<at::Tensor>>> : ArrayArg<std::vector<Optional<at::Tensor>>> {};
template <>
struct Arg<Bytes> {
  static Bytes from(napi_env env, napi_value v) {
    napi_typedarray_type type;
    std::size_t length;
    void* data;
    check(napi_get_typedarray_info(env, v, &type, &length, &data, nullptr, nullptr), "a typed array");
    static constexpr std::size_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    return {data, length * width[type]};
  }
};

inline napi_value to_js(napi_env env, double x) {
  napi_value v;
  napi_create_double(env, x, &v);
  return v;
}
inline napi_value to_js(napi_env env, std::int64_t x) { return to_js(env, static_cast<double>(x)); }
inline napi_value to_js(napi_env env, bool x) {
  napi_value v;
  napi_get_boolean(env, x, &v);
  return v;
}
inline napi_value to_js(napi_env env, const std::string& x) {
  napi_value v;
  napi_create_string_utf8(env, x.data(), x.size(), &v);
  return v;
}
inline napi_value to_js(napi_env env, at::Tensor&& x) { return to_js(env, handles().add(std::move(x))); }
inline napi_value to_js(napi_env, napi_value v) { return v; }
template <class T>
napi_value to_js(napi_env env, std::vector<T>&& items) {
  napi_value array;
  napi_create_array_with_length(env, items.size(), &array);
  for (std::size_t i = 0; i < items.size(); ++i) napi_set_element(env, array, static_cast<std::uint32_t>(i), to_js(env, T(std::move(items[i]))));
  return array;
}
inline napi_value to_js(napi_env env, Ints&& items) { return to_js(env, std::vector<std::int64_t>(items.begin(), items.end())); }

}  // namespace rae
