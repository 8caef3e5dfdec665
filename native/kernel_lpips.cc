// LPIPS's distance of one feature map (Zhang et al., arXiv 1801.03924): normalise both by their channel norms, square the difference,
// weight the channels, average the places. One pass over the features; as ops it is eight passes, each writing a feature-sized tensor.
//
//   out[b] = mean over places of Σ_c w_c (a_c / (|a| + ε) - b_c / (|b| + ε))²,   ε = 1e-10
//
// The gradient is for `a` only (the reconstruction); where a place is all zero (possible after a ReLU) it is 0, not autograd's 0/0.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "bind.h"
#include "cuda/cuda.h"
#include "loops.h"
#include "multi_tensor.h"

namespace rae {
namespace {

constexpr float kEps = 1e-10f;

struct Features {
  Tensor a, b, weight;  // channels last; weight float32 [channels]
  std::int64_t batch, channels, places;
};

Features features_of(const Tensor& a, const Tensor& b, const Tensor& weight) {
  if (a.dim() != 4 || a.sizes() != b.sizes()) throw Error(kShape, "lpipsDistance wants two feature maps [batch, channels, height, width] of one shape");
  if (a.scalar_type() != b.scalar_type()) throw Error(kDtype, "lpipsDistance wants two feature maps of one dtype");
  if (a.scalar_type() != at::kFloat && a.scalar_type() != at::kBFloat16) throw Error(kDtype, "lpipsDistance knows float32 and bfloat16");
  if (a.device() != b.device() || a.device() != weight.device()) throw Error(kInvalid, "lpipsDistance wants both feature maps and the weights on one device");
  if (weight.numel() != a.size(1)) throw Error(kShape, "lpipsDistance wants one weight a channel");
  return {a.contiguous(at::MemoryFormat::ChannelsLast), b.contiguous(at::MemoryFormat::ChannelsLast), weight.to(at::kFloat).contiguous().view(-1),
          a.size(0), a.size(1), a.size(2) * a.size(3)};
}

// Calls f(place, a's channels, b's channels) for places [begin, end), with 16-bit features widened into the given buffers.
template <class F>
void for_places(const Features& s, std::int64_t begin, std::int64_t end, const F& f) {
  std::vector<float> buffer_a(s.channels), buffer_b(s.channels);
  for (std::int64_t i = begin; i < end; ++i)
    f(i, as_float(s.a, i * s.channels, s.channels, buffer_a.data()), as_float(s.b, i * s.channels, s.channels, buffer_b.data()));
}

constexpr std::int64_t kGrain = 256;  // places a thread takes at least

Tensor forward(const Features& s) {
  if (s.a.is_cuda()) return cuda::lpips_distance(s.a, s.b, s.weight, kEps);
  const auto* w = static_cast<const float*>(s.weight.data_ptr());
  Tensor out = at::empty({s.batch}, at::TensorOptions().dtype(at::kFloat));
  std::vector<float> distances(s.batch * s.places);
  at::parallel_for(0, s.batch * s.places, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for_places(s, begin, end, [&](std::int64_t i, const float* a, const float* b) { distances[i] = loops::unit_distance(a, b, w, s.channels, kEps); });
  });
  for (std::int64_t b = 0; b < s.batch; ++b) {
    double sum = 0;
    for (std::int64_t i = 0; i < s.places; ++i) sum += distances[b * s.places + i];
    static_cast<float*>(out.data_ptr())[b] = static_cast<float>(sum / static_cast<double>(s.places));
  }
  return out;
}

// grad [batch]
Tensor backward(const Features& s, const Tensor& grad) {
  if (s.a.is_cuda()) return cuda::lpips_distance_grad(s.a, s.b, s.weight, kEps, grad);
  const auto* w = static_cast<const float*>(s.weight.data_ptr());
  const Tensor upstream = grad.to(at::kFloat).contiguous();
  const auto* g = static_cast<const float*>(upstream.data_ptr());
  Tensor out = at::empty_like(s.a);
  const bool wide = out.scalar_type() == at::kFloat;
  at::parallel_for(0, s.batch * s.places, kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> buffer(s.channels);
    for_places(s, begin, end, [&](std::int64_t i, const float* a, const float* b) {
      float* to = wide ? static_cast<float*>(out.data_ptr()) + i * s.channels : buffer.data();
      loops::unit_distance_grad(a, b, w, to, s.channels, kEps, g[i / s.places] / static_cast<float>(s.places));
      if (!wide) loops::narrow(to, static_cast<loops::bf16*>(out.data_ptr()) + i * s.channels, s.channels);
    });
  });
  return out;
}

struct Distance : torch::autograd::Function<Distance> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& a, const Tensor& b, const Tensor& weight) {
    const Features s = features_of(a, b, weight);
    context->save_for_backward({s.a, s.b, s.weight});
    return rae::forward(s);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    return {rae::backward(features_of(saved[0], saved[1], saved[2]), grads[0]), Tensor(), Tensor()};
  }
};

}  // namespace

void define_kernel_lpips(napi_env env, napi_value exports) {
  define(env, exports, {
    def("lpipsDistance", [](const Tensor& a, const Tensor& b, const Tensor& weight) {
      if (!at::GradMode::is_enabled()) return forward(features_of(a, b, weight));
      if (b.requires_grad() || weight.requires_grad()) throw Error(kInvalid, "lpipsDistance has a gradient for its first argument only");
      return Distance::apply(a, b, weight);
    }),
  });
}

}  // namespace rae
