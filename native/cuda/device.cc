#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <cstdlib>

#include "stream.h"

namespace rae::cuda {

std::string version() { return std::to_string(CUDART_VERSION / 1000) + "." + std::to_string(CUDART_VERSION % 1000 / 10); }

void use_deterministic_algorithms() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // cuBLAS reads it when it is first used, and libtorch insists on it
  at::Context& context = at::globalContext();
  // Not the mode that only warns: in that one the gradient of fused attention stays as it was.
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);  // would write NaN into every new tensor first
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
  context.setAllowTF32CuDNN(false);
}

int device_count() { return c10::cuda::device_count(); }

void synchronize(at::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  c10::cuda::device_synchronize();
}

MemoryUse memory_use(at::Device device) {
  // of all pools together, which is the first of the counts
  const auto bytes = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index()).allocated_bytes[0];
  return {bytes.current, bytes.peak};
}

void reset_peak(at::Device device) { c10::cuda::CUDACachingAllocator::resetPeakStats(device.index()); }

bool pin(void* data, std::size_t size, at::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  const bool pinned = cudaHostRegister(data, size, cudaHostRegisterDefault) == cudaSuccess;
  if (!pinned) cudaGetLastError();  // taken note of: it must not show at the next launch
  return pinned;
}

void unpin(void* data) {
  if (cudaHostUnregister(data) != cudaSuccess) cudaGetLastError();
}

}  // namespace rae::cuda
