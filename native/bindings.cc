// Table of contents: what the addon offers, one file a topic.
#include <node_api.h>

#include <thread>

#include "bind.h"

namespace rae {

void set_error_class(napi_env env, napi_value constructor);  // bind.cc
void define_table(napi_env, napi_value);                     // table.cc: handles, owners, live counts
void define_create(napi_env, napi_value);                    // ops_create.cc
void define_pointwise(napi_env, napi_value);                 // ops_pointwise.cc
void define_reduce(napi_env, napi_value);                    // ops_reduce.cc
void define_shape(napi_env, napi_value);                     // ops_shape.cc
void define_linear(napi_env, napi_value);                    // ops_linear.cc
void define_linalg(napi_env, napi_value);                    // ops_linalg.cc
void define_autograd(napi_env, napi_value);                  // autograd.cc
void define_random(napi_env, napi_value);                    // random.cc
void define_kernels_multi(napi_env, napi_value);             // kernels_multi.cc: AdamW, EMA, gradient sums and statistics
void define_kernel_diffaug(napi_env, napi_value);            // kernel_diffaug.cc
void define_kernel_lpips(napi_env, napi_value);              // kernel_lpips.cc
void define_kernel_quantize(napi_env, napi_value);           // kernel_quantize.cc
void define_weights(napi_env, napi_value);                   // weights.cc: tensors from files, hashes
void define_snapshot(napi_env, napi_value);                  // snapshot_bindings.cc: a state copied, restored, written
void define_heartbeat(napi_env, napi_value);                 // heartbeat.cc: signs of life, death with the parent
void define_memory(napi_env, napi_value);                    // arena_allocator.cc: where tensors live
void define_device(napi_env, napi_value);                    // device.cc

napi_value init(napi_env env, napi_value exports) {
  // The handle table has no lock: one JavaScript thread per process may hold it.
  static const std::thread::id owner = std::this_thread::get_id();
  if (owner != std::this_thread::get_id()) {
    napi_throw_error(env, "invalid", "the addon is already loaded in another thread of this process");
    return nullptr;
  }
  define(env, exports, {def("setErrorClass", [](napi_env env, napi_value constructor) {
                          set_error_class(env, constructor);
                          return constructor;
                        })});
  define_memory(env, exports);
  define_table(env, exports);
  define_create(env, exports);
  define_pointwise(env, exports);
  define_reduce(env, exports);
  define_shape(env, exports);
  define_linear(env, exports);
  define_linalg(env, exports);
  define_autograd(env, exports);
  define_random(env, exports);
  define_kernels_multi(env, exports);
  define_kernel_diffaug(env, exports);
  define_kernel_lpips(env, exports);
  define_kernel_quantize(env, exports);
  define_weights(env, exports);
  define_snapshot(env, exports);
  define_heartbeat(env, exports);
  define_device(env, exports);
  return exports;
}

}  // namespace rae

NAPI_MODULE_INIT() { return rae::init(env, exports); }
