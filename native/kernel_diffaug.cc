// Differentiable augmentation (Zhao et al., arXiv 2006.10738): translation, then brightness, saturation, contrast, each image by its own
// draws. Affine in the image, so the backward needs only the draws. One pass forward, one back, where ops make some thirty.
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "bind.h"
#include "cuda/cuda.h"

namespace rae {
namespace {

struct Draw {
  std::int64_t down, right;  // out[y][x] = in[y + down][x + right], zero outside
  float brightness, saturation, contrast;
};

// draws [7, batch, 1, 1] uniform in [0,1): rows 0 and 1 translate by up to an eighth of the side, 2 to 4 are the colours.
void check_images(const Tensor& x, const Tensor& draws) {
  if (x.dim() != 4) throw Error(kShape, "diffaug wants images [batch, channels, height, width]");
  const std::int64_t batch = x.size(0);
  if (draws.dim() != 4 || draws.size(0) != 7 || draws.size(1) != batch || draws.numel() != 7 * batch)
    throw Error(kShape, "diffaug wants draws [7, batch, 1, 1]");
}

std::vector<Draw> draws_of(const Tensor& draws, const Tensor& x) {
  const std::int64_t batch = x.size(0);
  const Tensor host = draws.to(at::kCPU, at::kFloat).contiguous();
  const float* r = static_cast<const float*>(host.data_ptr());
  auto shift = [](float draw, std::int64_t side) {
    const auto most = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(side) * 0.125));  // halves to even, as Python's round
    return static_cast<std::int64_t>(std::floor(draw * static_cast<float>(2 * most + 1))) - most;
  };
  std::vector<Draw> result;
  for (std::int64_t b = 0; b < batch; ++b)
    result.push_back({shift(r[b], x.size(2)), shift(r[batch + b], x.size(3)), r[2 * batch + b] - 0.5f, r[3 * batch + b] * 2, r[4 * batch + b] + 0.5f});
  return result;
}

struct Image {
  std::int64_t channels, height, width;
  std::int64_t area() const { return height * width; }
};

// out = shift(in) by (down, right), zero where that leaves the image
void translate(const float* in, float* out, const Image& s, std::int64_t down, std::int64_t right) {
  for (std::int64_t c = 0; c < s.channels; ++c)
    for (std::int64_t y = 0; y < s.height; ++y)
      for (std::int64_t x = 0; x < s.width; ++x) {
        const std::int64_t sy = y + down, sx = x + right;
        const bool inside = sy >= 0 && sy < s.height && sx >= 0 && sx < s.width;
        out[(c * s.height + y) * s.width + x] = inside ? in[(c * s.height + sy) * s.width + sx] : 0;
      }
}

// Every pixel's channels towards or away from their mean: x·k + mean·(1-k). Its own transpose.
void saturate(float* image, const Image& s, float k) {
  for (std::int64_t i = 0; i < s.area(); ++i) {
    float mean = 0;
    for (std::int64_t c = 0; c < s.channels; ++c) mean += image[c * s.area() + i];
    mean /= static_cast<float>(s.channels);
    for (std::int64_t c = 0; c < s.channels; ++c) image[c * s.area() + i] = (image[c * s.area() + i] - mean) * k + mean;
  }
}

// The whole image towards or away from its mean. Its own transpose too.
void contrast(float* image, const Image& s, float k) {
  const std::int64_t n = s.channels * s.area();
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += image[i];
  const auto mean = static_cast<float>(sum / static_cast<double>(n));
  for (std::int64_t i = 0; i < n; ++i) image[i] = (image[i] - mean) * k + mean;
}

template <class F>
Tensor each_image(const Tensor& x, const F& f) {
  const Tensor in = x.to(at::kFloat).contiguous();
  Tensor out = at::empty_like(in);
  const Image size{x.size(1), x.size(2), x.size(3)};
  const std::int64_t n = size.channels * size.area();
  at::parallel_for(0, x.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) f(b, static_cast<const float*>(in.data_ptr()) + b * n, static_cast<float*>(out.data_ptr()) + b * n, size);
  });
  return out.to(x.scalar_type());
}

Tensor forward(const Tensor& x, const Tensor& draws) {
  check_images(x, draws);
  if (x.is_cuda()) return cuda::diffaug(x, draws);
  const std::vector<Draw> all = draws_of(draws, x);
  return each_image(x, [&](std::int64_t b, const float* in, float* out, const Image& size) {
    const Draw& d = all[b];
    translate(in, out, size, d.down, d.right);
    for (std::int64_t i = 0; i < size.channels * size.area(); ++i) out[i] += d.brightness;
    saturate(out, size, d.saturation);
    contrast(out, size, d.contrast);
  });
}

Tensor backward(const Tensor& grad, const Tensor& draws) {
  if (grad.is_cuda()) return cuda::diffaug_grad(grad, draws);
  const std::vector<Draw> all = draws_of(draws, grad);
  return each_image(grad, [&](std::int64_t b, const float* in, float* out, const Image& size) {
    const Draw& d = all[b];
    std::vector<float> g(in, in + size.channels * size.area());
    contrast(g.data(), size, d.contrast);
    saturate(g.data(), size, d.saturation);
    translate(g.data(), out, size, -d.down, -d.right);
  });
}

struct DiffAug : torch::autograd::Function<DiffAug> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& draws) {
    context->save_for_backward({draws});
    return rae::forward(x, draws);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    return {rae::backward(grads[0], context->get_saved_variables()[0]), Tensor()};
  }
};

}  // namespace

void define_kernel_diffaug(napi_env env, napi_value exports) {
  define(env, exports, {
    def("diffaug", [](const Tensor& x, const Tensor& draws) { return at::GradMode::is_enabled() ? DiffAug::apply(x, draws) : forward(x, draws); }),
  });
}

}  // namespace rae
