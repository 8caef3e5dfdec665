// The CUDA side: twins of the own kernels, for tensors on a GPU. In a build without it (absent.cc) each of them throws no_device.
//
// Kernels stand in *.cu, on raw pointers (kernels.h), compiled by nvcc; *.cc beside them check tensors, launch on the current stream of the
// tensors' device and look for launch errors, which PROTECT turns into codes. Nothing adds floats atomically: the same input gives the
// same bits.
#pragma once
#include "../convert.h"
#include "../loops.h"
#include "../random.h"

namespace rae::cuda {

// Groups of tensors as kernels_multi.cc has checked them: one device, one memory order for a weight and all that belongs to it.
void adamw(const Tensors& params, const Tensors& grads, const Tensors& m, const Tensors& v, const std::vector<Optional<at::Tensor>>& working, const loops::AdamW& h);
void ema(const Tensors& averages, const Tensors& values, float decay);
void accumulate(const Tensors& sums, const Tensors& values);
// [sum of squares, 1 where all are finite else 0]; waits for the GPU.
Doubles grad_stats(const Tensors& grads);

// Images [B,C,H,W] by draws [7,B,1,1], as kernel_diffaug.cc has checked them, and the gradient for the images.
at::Tensor diffaug(const at::Tensor& x, const at::Tensor& draws);
at::Tensor diffaug_grad(const at::Tensor& grad, const at::Tensor& draws);
at::Tensor quantize8(const at::Tensor& x);

// Features [B,C,H,W], channels last, float32 or bfloat16; weight float32 [C]; the distances float32 [B].
at::Tensor lpips_distance(const at::Tensor& a, const at::Tensor& b, const at::Tensor& weight, float eps);
at::Tensor lpips_distance_grad(const at::Tensor& a, const at::Tensor& b, const at::Tensor& weight, float eps, const at::Tensor& grad);

at::Tensor random_uniform(const PhiloxKey& key, const Ints& shape, at::Device device);
at::Tensor random_normal(const PhiloxKey& key, const Ints& shape, at::Device device);

// Of the CUDA runtime: "13.0".
std::string version();
// Devices that the driver shows; 0 without a driver.
int device_count();
// From here on libtorch takes algorithms that give the same bits every time, and float32 products are in float32.
void use_deterministic_algorithms();
// Waits until the device has done what it was given.
void synchronize(at::Device device);
// Bytes of tensors on the device: in use, and the most that were since start or reset_peak.
struct MemoryUse {
  std::int64_t live, peak;
};
MemoryUse memory_use(at::Device device);
void reset_peak(at::Device device);

// Lets the GPU copy to and from host memory directly, until unpin. Without it (the system may refuse) copies are slower, not wrong.
bool pin(void* data, std::size_t size, at::Device device);
void unpin(void* data);

}  // namespace rae::cuda
