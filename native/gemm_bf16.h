// Matrix products of bfloat16 for linear layers, on processors with AVX512-BF16. oneDNN packs the weights anew at every call and reaches 500
// GFLOP/s on two cores where its convolutions reach 750; with a few hundred rows against millions of weights the packing is what costs.
// Here the weights are read once, as they lie in memory, and only the small operand is rearranged.
//
// Matrices are row-major and dense. Sums are in float32, in an order that does not depend on the number of threads.
#pragma once
#include <cstdint>

namespace rae::gemm {

using bf16 = std::uint16_t;

// Whether this processor can; without it nothing else here may be called.
bool available();

// out[M,N] = x[M,K] · w[N,K]ᵀ + bias[N] (or null); K even. A linear layer.
void x_wt(const bf16* x, const bf16* w, const bf16* bias, bf16* out, std::int64_t M, std::int64_t N, std::int64_t K);
// out[M,K] = g[M,N] · w[N,K]; N even. Its gradient for x.
void g_w(const bf16* g, const bf16* w, bf16* out, std::int64_t M, std::int64_t N, std::int64_t K);
// out[N,K] = g[M,N]ᵀ · x[M,K]. Its gradient for w.
void gt_x(const bf16* g, const bf16* x, bf16* out, std::int64_t M, std::int64_t N, std::int64_t K);

}  // namespace rae::gemm
