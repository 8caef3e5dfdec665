// Stands in for the CUDA side where it is not built.
#include "cuda.h"

namespace rae::cuda {
namespace {

using at::Tensor;

[[noreturn]] void refuse() { throw Error(kNoDevice, "this addon is built without its CUDA side, which takes a libtorch with CUDA, and nvcc"); }

}  // namespace

void adamw(const Tensors&, const Tensors&, const Tensors&, const Tensors&, const std::vector<Optional<Tensor>>&, const loops::AdamW&) { refuse(); }
void ema(const Tensors&, const Tensors&, float) { refuse(); }
void accumulate(const Tensors&, const Tensors&) { refuse(); }
Doubles grad_stats(const Tensors&) { refuse(); }
Tensor diffaug(const Tensor&, const Tensor&) { refuse(); }
Tensor diffaug_grad(const Tensor&, const Tensor&) { refuse(); }
Tensor quantize8(const Tensor&) { refuse(); }
Tensor lpips_distance(const Tensor&, const Tensor&, const Tensor&, float) { refuse(); }
Tensor lpips_distance_grad(const Tensor&, const Tensor&, const Tensor&, float, const Tensor&) { refuse(); }
Tensor random_uniform(const PhiloxKey&, const Ints&, at::Device) { refuse(); }
Tensor random_normal(const PhiloxKey&, const Ints&, at::Device) { refuse(); }
std::string version() { refuse(); }
int device_count() { refuse(); }
void use_deterministic_algorithms() { refuse(); }
void synchronize(at::Device) { refuse(); }
MemoryUse memory_use(at::Device) { refuse(); }
void reset_peak(at::Device) { refuse(); }
bool pin(void*, std::size_t, at::Device) { refuse(); }
void unpin(void*) { refuse(); }

}  // namespace rae::cuda
