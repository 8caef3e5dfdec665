#include "bind.h"

#include <sstream>

namespace rae {

Progress progress;

namespace {

std::vector<const char*>& names() {
  static std::vector<const char*> list{"none"};
  return list;
}

napi_ref error_class = nullptr;

std::string describe(const Tensor& t) {
  std::ostringstream text;
  text << c10::toString(t.scalar_type()) << t.sizes();
  return text.str();
}

// The shapes of the arguments that are live tensors, for the message. A small number may be a handle by coincidence only if a tensor
// has that very handle, and generations start at 1, so handles are at least 2^24.
std::string describe_tensors(napi_env env, std::span<const napi_value> arguments) {
  std::string text;
  auto add = [&](napi_value v) {
    double handle;
    if (napi_get_value_double(env, v, &handle) != napi_ok || handle < (1 << 24)) return;
    try {
      text += (text.empty() ? "" : ", ") + describe(handles().get(handle));
    } catch (const Error&) {
      text += (text.empty() ? "" : ", ") + std::string("released");
    }
  };
  for (napi_value v : arguments) {
    bool array = false;
    napi_is_array(env, v, &array);
    if (!array) {
      add(v);
      continue;
    }
    std::uint32_t size = 0;
    napi_get_array_length(env, v, &size);
    for (std::uint32_t i = 0; i < size && i < 4; ++i) {
      napi_value item;
      napi_get_element(env, v, i, &item);
      add(item);
    }
  }
  return text;
}

}  // namespace

const char* op_name(std::uint32_t id) { return id < names().size() ? names()[id] : "?"; }
std::uint32_t op_count() { return static_cast<std::uint32_t>(names().size()); }

napi_value error_value(napi_env env, const char* op, const Failure& failure) {
  napi_value error, arguments[] = {to_js(env, failure.code), to_js(env, std::string(op)), to_js(env, failure.message),
                                   to_js(env, failure.errnum ? errno_name(failure.errnum) : std::string()), to_js(env, failure.needed)};
  napi_value constructor;
  if (error_class && napi_get_reference_value(env, error_class, &constructor) == napi_ok &&
      napi_new_instance(env, constructor, 5, arguments, &error) == napi_ok)
    return error;
  napi_create_error(env, arguments[0], arguments[2], &error);
  return error;
}

void throw_current(napi_env env, std::uint32_t op, std::span<const napi_value> arguments) {
  Failure failure = current_failure();
  const std::string tensors = describe_tensors(env, arguments);
  if (!tensors.empty()) failure.message += " (" + tensors + ")";
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw(env, error_value(env, op_name(op), failure));
}

void define(napi_env env, napi_value exports, std::initializer_list<Definition> table) {
  for (const Definition& d : table) {
    *d.id = op_count();
    names().push_back(d.name);
    napi_value function;
    napi_create_function(env, d.name, NAPI_AUTO_LENGTH, d.call, nullptr, &function);
    napi_set_named_property(env, exports, d.name, function);
  }
}

// The class that errors are made of: src/tensor/native.ts hands it in.
void set_error_class(napi_env env, napi_value constructor) {
  if (error_class) napi_delete_reference(env, error_class);
  napi_create_reference(env, constructor, 1, &error_class);
}

}  // namespace rae
