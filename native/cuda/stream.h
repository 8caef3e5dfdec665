#pragma once
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "cuda.h"
#include "kernels.h"

namespace rae::cuda {

// launch(stream) with the device made current, on libtorch's stream of it; throws where a launch failed, or something before it on the device.
template <class F>
void on_stream_of(at::Device device, const F& launch) {
  const c10::cuda::CUDAGuard guard(device);
  launch(c10::cuda::getCurrentCUDAStream(device.index()).stream());
  C10_CUDA_CHECK(cudaGetLastError());
}

inline float* floats(const at::Tensor& t) { return static_cast<float*>(t.data_ptr()); }
inline double* doubles(const at::Tensor& t) { return static_cast<double*>(t.data_ptr()); }

}  // namespace rae::cuda
