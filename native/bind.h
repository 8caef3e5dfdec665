// Binds C++ functions to JavaScript. An operation is one line of a table, `def("name", [](const Tensor& a, double b) { … })`: the types of
// its parameters choose the conversions (convert.h). Every call goes through protect, the only place that catches exceptions.
#pragma once
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

#include <atomic>
#include <initializer_list>
#include <optional>
#include <span>

#include "convert.h"

namespace rae {

using at::Tensor;

// Read by the heartbeat thread; written by the JavaScript thread alone, so relaxed loads and stores are enough.
struct Progress {
  std::atomic<std::uint32_t> op{0};       // operation in flight, 0 for none
  std::atomic<std::uint64_t> done{0};     // operations finished
  std::atomic<std::uint64_t> tick_ms{0};  // the event loop's last sign of life, monotonic
};
extern Progress progress;

// Name of an operation by its id; ids start at 1 in the order of registration.
const char* op_name(std::uint32_t id);
std::uint32_t op_count();

// Throws a TensorError in JavaScript for the exception being handled. `arguments` are described where they are tensors.
void throw_current(napi_env env, std::uint32_t op, std::span<const napi_value> arguments);
// The same error as a value, to reject a promise with.
napi_value error_value(napi_env env, const char* op, const Failure& failure);

template <class Body>
napi_value protect(napi_env env, std::uint32_t op, std::span<const napi_value> arguments, Body&& body) {
  progress.op.store(op, std::memory_order_relaxed);
  napi_value result = nullptr;
  try {
    // With grad mode off nothing is recorded, so the dispatcher may skip autograd's two layers (0.2 µs a call on 1.13).
    // Consequence: operations outside enableGrad do not bump version counters.
    std::optional<at::AutoDispatchBelowADInplaceOrView> below;
    if (!at::GradMode::is_enabled()) below.emplace();
    result = body();
  } catch (...) {
    throw_current(env, op, arguments);
  }
  progress.op.store(0, std::memory_order_relaxed);
  progress.done.store(progress.done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return result;
}

template <class F>
inline std::uint32_t op_id = 0;

template <class F, class R, class... A, std::size_t... I>
napi_value call(napi_env env, napi_callback_info info, R (F::*)(A...) const, std::index_sequence<I...>) {
  std::size_t count = sizeof...(A);
  napi_value argv[sizeof...(A) + 1];
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  return protect(env, op_id<F>, std::span<const napi_value>(argv, sizeof...(A)), [&]() -> napi_value {
    if constexpr (std::is_void_v<R>) {
      F{}(Arg<std::remove_cvref_t<A>>::from(env, argv[I])...);
      return nullptr;
    } else {
      return to_js(env, F{}(Arg<std::remove_cvref_t<A>>::from(env, argv[I])...));
    }
  });
}

// For functions that need the environment itself: F(env, arguments…).
template <class F, class R, class... A, std::size_t... I>
napi_value call(napi_env env, napi_callback_info info, R (F::*)(napi_env, A...) const, std::index_sequence<I...>) {
  std::size_t count = sizeof...(A);
  napi_value argv[sizeof...(A) + 1];
  napi_get_cb_info(env, info, &count, argv, nullptr, nullptr);
  return protect(env, op_id<F>, std::span<const napi_value>(argv, sizeof...(A)),
                 [&]() -> napi_value { return F{}(env, Arg<std::remove_cvref_t<A>>::from(env, argv[I])...); });
}

template <class T>
struct Arity;
template <class F, class R, class... A>
struct Arity<R (F::*)(A...) const> : std::integral_constant<std::size_t, sizeof...(A)> {};
template <class F, class R, class... A>
struct Arity<R (F::*)(napi_env, A...) const> : std::integral_constant<std::size_t, sizeof...(A)> {};

struct Definition {
  const char* name;
  napi_callback call;
  std::uint32_t* id;
};

template <class F>
Definition def(const char* name, F) {
  return {name,
          [](napi_env env, napi_callback_info info) -> napi_value {
            using Call = decltype(&F::operator());
            return call<F>(env, info, &F::operator(), std::make_index_sequence<Arity<Call>::value>{});
          },
          &op_id<F>};
}

void define(napi_env env, napi_value exports, std::initializer_list<Definition> table);

}  // namespace rae
