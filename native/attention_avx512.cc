#include "attention_avx512.h"

// GCC 12 takes the deliberately undefined lanes in its own header for a mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <cmath>
#include <cstring>

#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prefer-vector-width=512")

namespace rae::avx512 {
namespace {

// Every product here is C [m × n] float32 = A [m × 2·pairs] · B, with A's rows in bfloat16 and B "paired": for every two rows of it the
// two numbers of a column side by side, as vdpbf16ps takes them: B[pair][column][2].
using Pair = std::uint32_t;

constexpr std::int64_t kRows = 24;  // queries that go through the cache together

constexpr std::int64_t up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

template <int M, int N>
inline void tile(const bf16* a, std::int64_t lda, const Pair* b, std::int64_t ldb, float* c, std::int64_t ldc, std::int64_t pairs) {
  __m512 sums[M][N];
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) sums[m][n] = _mm512_setzero_ps();
  for (std::int64_t p = 0; p < pairs; ++p) {
    __m512bh columns[N];
    for (int n = 0; n < N; ++n) columns[n] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + p * ldb + 16 * n));
    for (int m = 0; m < M; ++m) {
      int two;
      std::memcpy(&two, a + m * lda + 2 * p, sizeof two);
      const __m512bh row = reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
      for (int n = 0; n < N; ++n) sums[m][n] = _mm512_dpbf16_ps(sums[m][n], row, columns[n]);
    }
  }
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) _mm512_storeu_ps(c + m * ldc + 16 * n, sums[m][n]);
}

template <int N>
inline void column_block(std::int64_t m, const bf16* a, std::int64_t lda, const Pair* b, std::int64_t ldb, float* c, std::int64_t ldc, std::int64_t pairs) {
  for (; m >= 6; m -= 6, a += 6 * lda, c += 6 * ldc) tile<6, N>(a, lda, b, ldb, c, ldc, pairs);
  switch (m) {
    case 5: return tile<5, N>(a, lda, b, ldb, c, ldc, pairs);
    case 4: return tile<4, N>(a, lda, b, ldb, c, ldc, pairs);
    case 3: return tile<3, N>(a, lda, b, ldb, c, ldc, pairs);
    case 2: return tile<2, N>(a, lda, b, ldb, c, ldc, pairs);
    case 1: return tile<1, N>(a, lda, b, ldb, c, ldc, pairs);
    default: return;
  }
}

// n is a multiple of 16.
void product(std::int64_t m, std::int64_t n, std::int64_t pairs, const bf16* a, std::int64_t lda, const Pair* b, std::int64_t ldb, float* c, std::int64_t ldc) {
  std::int64_t at = 0;
  for (; at + 64 <= n; at += 64) column_block<4>(m, a, lda, b + at, ldb, c + at, ldc, pairs);
  switch ((n - at) / 16) {
    case 3: return column_block<3>(m, a, lda, b + at, ldb, c + at, ldc, pairs);
    case 2: return column_block<2>(m, a, lda, b + at, ldb, c + at, ldc, pairs);
    case 1: return column_block<1>(m, a, lda, b + at, ldb, c + at, ldc, pairs);
    default: return;
  }
}

// Xᵀ paired: [width/2][n rounded up to 16], for products over the width.
void pair_width(Rows x, std::int64_t n, std::int64_t width, Pair* out) {
  const std::int64_t columns = up(n, 16);
  for (std::int64_t p = 0; p < width / 2; ++p) {
    Pair* row = out + p * columns;
    for (std::int64_t i = 0; i < n; ++i) std::memcpy(row + i, x.data + i * x.stride + 2 * p, sizeof(Pair));
    for (std::int64_t i = n; i < columns; ++i) row[i] = 0;
  }
}

// X paired: [n/2 rounded up][width rounded up to 16], for products over the rows.
void pair_rows(Rows x, std::int64_t n, std::int64_t width, Pair* out) {
  const std::int64_t columns = up(width, 16);
  for (std::int64_t p = 0; 2 * p < n; ++p) {
    const bf16 *first = x.data + 2 * p * x.stride, *second = first + x.stride;
    Pair* row = out + p * columns;
    const bool both = 2 * p + 1 < n;
    for (std::int64_t c = 0; c < width; ++c) row[c] = first[c] | (both ? static_cast<Pair>(second[c]) << 16 : 0);
    for (std::int64_t c = width; c < columns; ++c) row[c] = 0;
  }
}

// Xᵀ: [width][n rounded up to even]
void transpose(Rows x, std::int64_t n, std::int64_t width, bf16* out) {
  const std::int64_t columns = up(n, 2);
  for (std::int64_t c = 0; c < width; ++c) {
    for (std::int64_t i = 0; i < n; ++i) out[c * columns + i] = x.data[i * x.stride + c];
    if (columns > n) out[c * columns + n] = 0;
  }
}

inline __m512 exp(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-87.0f), x);  // in this order NaN stays NaN
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.3981999507e-3f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
  return _mm512_scalef_ps(p, n);
}

inline __mmask16 tail(std::int64_t left) { return left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1); }
inline __m256i rounded(__m512 x) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)); }
inline __m512 widened(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

// p = e^((s - max s) · scale), rounded; returns its sum, and max · scale + log sum in `log_sum`.
float softmax_row(const float* s, bf16* p, std::int64_t n, float scale, float& log_sum) {
  __m512 most = _mm512_set1_ps(-INFINITY);
  for (std::int64_t i = 0; i < n; i += 16) most = _mm512_mask_max_ps(most, tail(n - i), most, _mm512_loadu_ps(s + i));
  const float top = _mm512_reduce_max_ps(most);
  const __m512 factor = _mm512_set1_ps(scale), shift = _mm512_set1_ps(-top * scale);
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < n; i += 16) {
    const __m512 e = _mm512_maskz_mov_ps(tail(n - i), exp(_mm512_fmadd_ps(_mm512_loadu_ps(s + i), factor, shift)));
    sum = _mm512_add_ps(sum, e);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + i), rounded(e));
  }
  const float total = _mm512_reduce_add_ps(sum);
  log_sum = top * scale + std::log(total);
  return total;
}

void write_row(const float* in, bf16* out, std::int64_t n, float factor) {
  for (std::int64_t i = 0; i < n; i += 16) _mm256_mask_storeu_epi16(out + i, tail(n - i), rounded(_mm512_mul_ps(_mm512_loadu_ps(in + i), _mm512_set1_ps(factor))));
}

float dot_row(const bf16* a, const bf16* b, std::int64_t n) {
  __m512 sum = _mm512_setzero_ps();
  for (std::int64_t i = 0; i < n; i += 16)
    sum = _mm512_fmadd_ps(widened(_mm256_maskz_loadu_epi16(tail(n - i), a + i)), widened(_mm256_maskz_loadu_epi16(tail(n - i), b + i)), sum);
  return _mm512_reduce_add_ps(sum);
}

// What a row of scores and of the softmax's gradient becomes, in 32-bit lanes with the bfloat16 in the upper half.
struct Softened {
  __m512i p, ds;
};
inline Softened soften(const float* s, const float* dp, std::int64_t at, std::int64_t n, float scale, float log_sum, float along) {
  const __mmask16 mask = tail(n - at);
  const __m512 p = _mm512_maskz_mov_ps(mask, exp(_mm512_fmsub_ps(_mm512_loadu_ps(s + at), _mm512_set1_ps(scale), _mm512_set1_ps(log_sum))));
  const __m512 ds = _mm512_mul_ps(_mm512_mul_ps(p, _mm512_sub_ps(_mm512_loadu_ps(dp + at), _mm512_set1_ps(along))), _mm512_set1_ps(scale));
  return {_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded(p)), 16), _mm512_maskz_slli_epi32(mask, _mm512_cvtepu16_epi32(rounded(ds)), 16)};
}
inline __m512i paired(__m512i first, __m512i second) { return _mm512_or_si512(_mm512_srli_epi32(first, 16), second); }

// Rows of a transposed result [width][columns] into `out` [n][width].
void write_transposed(const float* in, std::int64_t columns, std::int64_t n, std::int64_t width, MutableRows out, float* row) {
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t c = 0; c < width; ++c) row[c] = in[c * columns + i];
    write_row(row, out.data + i * out.stride, width, 1);
  }
}

// Cuts a scratch buffer into 64-byte aligned pieces.
struct Scratch {
  char* at;
  template <class T>
  T* take(std::int64_t n) {
    char* piece = at;
    at += up(n * static_cast<std::int64_t>(sizeof(T)), 64);
    return reinterpret_cast<T*>(piece);
  }
};

struct ForwardBuffers {
  Pair *k, *v;
  float *scores, *out;
  bf16* p;
};
ForwardBuffers forward_buffers(const HeadSize& s, Scratch& scratch) {
  const std::int64_t keys = up(s.keys, 16), width = up(s.width, 16);
  return {scratch.take<Pair>(s.width / 2 * keys), scratch.take<Pair>((s.keys + 1) / 2 * width), scratch.take<float>(kRows * keys),
          scratch.take<float>(kRows * width), scratch.take<bf16>(kRows * keys)};
}

struct BackwardBuffers {
  Pair *k_by_width, *v_by_width, *k_by_rows, *p, *ds;
  bf16 *q_turned, *grad_turned, *ds_rows;
  float *scores, *dp, *out;
};
BackwardBuffers backward_buffers(const HeadSize& s, Scratch& scratch) {
  const std::int64_t keys = up(s.keys, 16), width = up(s.width, 16), queries = up(s.queries, 2);
  const std::int64_t out = s.width * keys > kRows * width ? s.width * keys : kRows * width;
  return {scratch.take<Pair>(s.width / 2 * keys), scratch.take<Pair>(s.width / 2 * keys), scratch.take<Pair>((s.keys + 1) / 2 * width),
          scratch.take<Pair>(queries / 2 * keys), scratch.take<Pair>(queries / 2 * keys), scratch.take<bf16>(s.width * queries),
          scratch.take<bf16>(s.width * queries), scratch.take<bf16>(kRows * keys), scratch.take<float>(kRows * keys), scratch.take<float>(kRows * keys),
          scratch.take<float>(out)};
}

}  // namespace

bool supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bf16");
}

std::size_t forward_scratch(const HeadSize& size) {
  Scratch scratch{nullptr};
  forward_buffers(size, scratch);
  return reinterpret_cast<std::size_t>(scratch.at);
}
std::size_t backward_scratch(const HeadSize& size) {
  Scratch scratch{nullptr};
  backward_buffers(size, scratch);
  return reinterpret_cast<std::size_t>(scratch.at);
}

void forward_head(const HeadSize& s, Rows q, Rows k, Rows v, MutableRows out, float* log_sums, void* memory) {
  Scratch scratch{static_cast<char*>(memory)};
  const ForwardBuffers b = forward_buffers(s, scratch);
  const std::int64_t keys = up(s.keys, 16), width = up(s.width, 16);
  pair_width(k, s.keys, s.width, b.k);
  pair_rows(v, s.keys, s.width, b.v);
  for (std::int64_t at = 0; at < s.queries; at += kRows) {
    const std::int64_t rows = s.queries - at < kRows ? s.queries - at : kRows;
    float sums[kRows];
    product(rows, keys, s.width / 2, q.data + at * q.stride, q.stride, b.k, keys, b.scores, keys);
    for (std::int64_t i = 0; i < rows; ++i) sums[i] = softmax_row(b.scores + i * keys, b.p + i * keys, s.keys, s.scale, log_sums[at + i]);
    product(rows, width, (s.keys + 1) / 2, b.p, keys, b.v, width, b.out, width);
    for (std::int64_t i = 0; i < rows; ++i) write_row(b.out + i * width, out.data + (at + i) * out.stride, s.width, 1 / sums[i]);
  }
}

void backward_head(const HeadSize& s, Rows q, Rows k, Rows v, Rows out, const float* log_sums, Rows grad, MutableRows dq, MutableRows dk, MutableRows dv,
                   void* memory) {
  Scratch scratch{static_cast<char*>(memory)};
  const BackwardBuffers b = backward_buffers(s, scratch);
  const std::int64_t keys = up(s.keys, 16), width = up(s.width, 16), queries = up(s.queries, 2);
  pair_width(k, s.keys, s.width, b.k_by_width);
  pair_width(v, s.keys, s.width, b.v_by_width);
  pair_rows(k, s.keys, s.width, b.k_by_rows);
  transpose(q, s.queries, s.width, b.q_turned);
  transpose(grad, s.queries, s.width, b.grad_turned);
  for (std::int64_t at = 0; at < s.queries; at += kRows) {
    const std::int64_t rows = s.queries - at < kRows ? s.queries - at : kRows;
    product(rows, keys, s.width / 2, q.data + at * q.stride, q.stride, b.k_by_width, keys, b.scores, keys);
    product(rows, keys, s.width / 2, grad.data + at * grad.stride, grad.stride, b.v_by_width, keys, b.dp, keys);
    for (std::int64_t i = 0; i < rows; i += 2) {
      const bool both = i + 1 < rows;
      float along[2] = {}, log_sum[2] = {};
      for (int j = 0; j < (both ? 2 : 1); ++j) {
        const std::int64_t row = at + i + j;
        along[j] = dot_row(grad.data + row * grad.stride, out.data + row * out.stride, s.width);
        log_sum[j] = log_sums[row];
      }
      Pair *p = b.p + (at + i) / 2 * keys, *ds = b.ds + (at + i) / 2 * keys;
      bf16* ds_row = b.ds_rows + i * keys;
      for (std::int64_t c = 0; c < keys; c += 16) {
        const Softened first = soften(b.scores + i * keys, b.dp + i * keys, c, s.keys, s.scale, log_sum[0], along[0]);
        const Softened second = both ? soften(b.scores + (i + 1) * keys, b.dp + (i + 1) * keys, c, s.keys, s.scale, log_sum[1], along[1])
                                     : Softened{_mm512_setzero_si512(), _mm512_setzero_si512()};
        _mm512_storeu_si512(p + c, paired(first.p, second.p));
        _mm512_storeu_si512(ds + c, paired(first.ds, second.ds));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(ds_row + c), _mm512_cvtepi32_epi16(_mm512_srli_epi32(first.ds, 16)));
        if (both) _mm256_storeu_si256(reinterpret_cast<__m256i*>(ds_row + keys + c), _mm512_cvtepi32_epi16(_mm512_srli_epi32(second.ds, 16)));
      }
    }
    product(rows, width, (s.keys + 1) / 2, b.ds_rows, keys, b.k_by_rows, width, b.out, width);
    for (std::int64_t i = 0; i < rows; ++i) write_row(b.out + i * width, dq.data + (at + i) * dq.stride, s.width, 1);
  }
  float row[kMaxWidth];
  product(s.width, keys, queries / 2, b.q_turned, queries, b.ds, keys, b.out, keys);
  write_transposed(b.out, keys, s.keys, s.width, dk, row);
  product(s.width, keys, queries / 2, b.grad_turned, queries, b.p, keys, b.out, keys);
  write_transposed(b.out, keys, s.keys, s.width, dv, row);
}

}  // namespace rae::avx512
