// The arena as libtorch's allocator of CPU tensors.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <torch/version.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "arena.h"
#include "bind.h"

namespace rae {
namespace {

// Below this the C library's own lists do well.
constexpr std::size_t kSmall = 4096;
Arena* arena = nullptr;

void release(void* data) {
  if (arena->owns(data)) arena->release(data);
  else std::free(data);
}

class TensorAllocator final : public c10::Allocator {
 public:
#if TORCH_VERSION_MAJOR >= 2
  c10::DataPtr allocate(std::size_t size) override { return get(size); }
  void copy_data(void* to, const void* from, std::size_t size) const override { std::memcpy(to, from, size); }
#else
  c10::DataPtr allocate(std::size_t size) const override { return get(size); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &release; }

 private:
  static c10::DataPtr get(std::size_t size) {
    void* data = nullptr;
    if (size >= kSmall) data = arena->allocate(size);
    else if (size > 0 && posix_memalign(&data, 64, size) != 0) data = nullptr;
    if (!data && size > 0)
      throw Error(kOutOfMemory, "not enough memory for " + std::to_string(size) + " bytes: " + std::to_string(arena->stats().live) + " in use of " +
                                    std::to_string(memory_limit()));
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
};

napi_value stats(napi_env env) {
  const ArenaStats s = arena->stats();
  napi_value object;
  napi_create_object(env, &object);
  napi_set_named_property(env, object, "live", to_js(env, s.live));
  napi_set_named_property(env, object, "peak", to_js(env, s.peak));
  napi_set_named_property(env, object, "extent", to_js(env, s.extent));
  return object;
}

}  // namespace

void define_memory(napi_env env, napi_value exports) {
  if (!arena) {
    // Never destroyed: tensors in libtorch's statics are released after ours.
    arena = new Arena(memory_limit() / 100 * 97);
    c10::SetCPUAllocator(new TensorAllocator);
    // oneDNN's scratch comes from the C library: let that keep what it once had, too (32 MiB is its highest threshold).
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
  }
  define(env, exports, {
    def("memoryStats", [](napi_env env) { return stats(env); }),
    def("trimMemory", [] { arena->trim(); }),
    def("resetPeak", [] { arena->reset_peak(); }),
  });
}

}  // namespace rae
