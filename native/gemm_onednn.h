// Matrix products of float32 through oneDNN, as libtorch 2 registers it for its compiler (mkldnn::_linear_pointwise). at::linear hands them to
// MKL, which keeps to AVX2 on processors that are not Intel's: 160 to 180 GFLOP/s on two AMD cores where oneDNN's AVX-512 reaches 300 to 380.
// oneDNN takes transposed matrices as they lie.
#pragma once
#include <ATen/core/Tensor.h>

namespace rae::onednn {

// Whether x wᵀ is worth handing over: dense float32 on the CPU, large enough to gain, and this libtorch has it.
bool takes(const at::Tensor& x, const at::Tensor& w);

// x[…,K] · w[N,K]ᵀ + bias[N] (or undefined); w of any strides. Records no gradient.
at::Tensor x_wt(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias);

}  // namespace rae::onednn
