// Which libtorch this is, which devices it sees, how many threads it uses, how much memory the process took.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/ones.h>
#include <sys/resource.h>
#include <torch/version.h>

#include "bind.h"
#include "cuda/cuda.h"

namespace rae {
namespace {

// Why cuda:index cannot be used, or nothing where it can; the CPU, -1, always can.
std::string device_problem(std::int64_t index) {
  if (index < 0) return "";
  try {
    const std::string version = cuda::version();
    try {
      // one kernel run to its end: a device may be there, and libtorch have no code for it
      at::ones({1}, at::TensorOptions().device(at::kCUDA, static_cast<c10::DeviceIndex>(index))).item();
      return "";
    } catch (...) {
      const int devices = cuda::device_count();
      const std::string found = devices == 0 ? "but no device or driver is found" : "and finds " + std::to_string(devices) + (devices == 1 ? " device" : " devices");
      return "this build has CUDA " + version + ", " + found + ": " + current_failure().message;
    }
  } catch (...) {
    return current_failure().message;  // there is no CUDA side
  }
}

napi_value memory_use(napi_env env, at::Device device) {
  napi_value object;
  const cuda::MemoryUse use = cuda::memory_use(device);
  napi_create_object(env, &object);
  napi_set_named_property(env, object, "live", to_js(env, use.live));
  napi_set_named_property(env, object, "peak", to_js(env, use.peak));
  return object;
}

}  // namespace

void define_device(napi_env env, napi_value exports) {
  define(env, exports, {
    def("libtorchVersion", [] { return std::string(TORCH_VERSION); }),
    def("deviceProblem", [](std::int64_t index) { return device_problem(index); }),
    def("useDeterministicAlgorithms", [] { cuda::use_deterministic_algorithms(); }),
    def("synchronize", [](at::Device device) { cuda::synchronize(device); }),
    def("gpuMemory", [](napi_env env, at::Device device) { return memory_use(env, device); }),
    def("resetGpuPeak", [](at::Device device) { cuda::reset_peak(device); }),
    def("setThreads", [](std::int64_t n) { at::set_num_threads(static_cast<int>(n)); }),
    def("threads", [] { return static_cast<std::int64_t>(at::get_num_threads()); }),
    // libtorch's own account of its BLAS, oneDNN, vector width and threads.
    def("buildInfo", [] { return at::show_config() + at::get_parallel_info(); }),
    // Peak resident memory of the process.
    def("peakBytes", [] {
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
    }),
  });
}

}  // namespace rae
