// The handle table's face: what a handle is, who owns it, how much is live.
#include "bind.h"

namespace rae {
namespace {

napi_value live(napi_env env) {
  napi_value owners;
  napi_create_object(env, &owners);
  for (const OwnerLive& owner : handles().live()) {
    if (owner.count == 0) continue;
    napi_value entry;
    napi_create_object(env, &entry);
    napi_set_named_property(env, entry, "count", to_js(env, owner.count));
    napi_set_named_property(env, entry, "bytes", to_js(env, owner.bytes));
    napi_set_named_property(env, owners, owner.name.c_str(), entry);
  }
  return owners;
}

}  // namespace

void define_table(napi_env env, napi_value exports) {
  define(env, exports, {
    def("shape", [](const Tensor& t) { return Ints(t.sizes().begin(), t.sizes().end()); }),
    def("strides", [](const Tensor& t) { return Ints(t.strides().begin(), t.strides().end()); }),
    def("dtype", [](const Tensor& t) { return static_cast<std::int64_t>(t.scalar_type()); }),
    def("device", [](const Tensor& t) { return t.device().str(); }),
    def("size", [](const Tensor& t) { return static_cast<std::int64_t>(t.numel()); }),
    // Where in an allocation the data starts: bits of some operations depend on it.
    def("misalignment", [](const Tensor& t) { return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(t.data_ptr()) % 64); }),
    def("isLive", [](double handle) {
      try {
        handles().get(handle);
        return true;
      } catch (const Error&) {
        return false;
      }
    }),
    def("release", [](double handle) { handles().release(handle); }),
    def("releaseAll", [](const Doubles& all) {
      for (double handle : all) handles().release(handle);
    }),
    // Returns the owner before.
    def("setOwner", [](const std::string& name) {
      std::string before = handles().owner_name(handles().current_owner);
      handles().current_owner = handles().owner(name);
      return before;
    }),
    def("move", [](const Doubles& all, const std::string& name) {
      const std::uint32_t owner = handles().owner(name);
      for (double handle : all) handles().move(handle, owner);
    }),
    def("reclaim", [](const std::string& name) { return handles().reclaim(handles().owner(name)); }),
    def("live", [](napi_env env) { return live(env); }),
  });
}

}  // namespace rae
