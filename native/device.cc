// Which libtorch this is, which devices it sees, how many threads it uses, how much memory the process took.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <sys/resource.h>
#include <torch/version.h>

#include "bind.h"

namespace rae {
namespace {

// Why a device cannot be used, or nothing where it can.
std::string device_problem(at::Device device) {
  if (device.is_cpu()) return "";
  try {
    at::empty({1}, at::TensorOptions().device(device));
    return "";
  } catch (...) {
    return current_failure().message;
  }
}

}  // namespace

void define_device(napi_env env, napi_value exports) {
  define(env, exports, {
    def("libtorchVersion", [] { return std::string(TORCH_VERSION); }),
    def("deviceProblem", [](at::Device device) { return device_problem(device); }),
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
