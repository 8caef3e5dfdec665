#include "gemm_bf16.h"

#include <ATen/Parallel.h>
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <memory>

#define AVX512_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

namespace rae::gemm {
namespace {

// vdpbf16ps multiplies pairs: two neighbours along the summed dimension make one 32-bit number here.
using Pair = std::uint32_t;

// A tile is kRows × kLanes sums in registers: 8 · 3 vectors of 16, which leaves 8 of the 32 registers for operands.
constexpr std::int64_t kRows = 8, kVector = 16, kLanes = 48;

// Panels of a call that are kept in the second-level cache while the weights stream past, in bytes.
constexpr std::int64_t kKeptBytes = 512 << 10;

struct Scratch {
  void* memory;
  explicit Scratch(std::size_t bytes) : memory(std::aligned_alloc(64, (bytes + 63) / 64 * 64)) {
    if (memory == nullptr) throw std::bad_alloc();
  }
  ~Scratch() { std::free(memory); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Pair* pairs() const { return static_cast<Pair*>(memory); }
};

__mmask16 first(std::int64_t n) { return n >= kVector ? 0xffff : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1); }

// tile[r][l] = Σ over pairs of rows[r][p] · panel[p][l]: one broadcast of a row's pair serves three vectors of lanes.
AVX512_BF16 void multiply(const Pair* const* rows, const Pair* panel, std::int64_t pairs, float (*tile)[kLanes]) {
  __m512 sums[kRows][3];
  for (auto& row : sums)
    for (auto& sum : row) sum = _mm512_setzero_ps();
  for (std::int64_t p = 0; p < pairs; ++p) {
    const Pair* lanes = panel + p * kLanes;
    const __m512bh b0 = (__m512bh)_mm512_load_si512(lanes), b1 = (__m512bh)_mm512_load_si512(lanes + 16), b2 = (__m512bh)_mm512_load_si512(lanes + 32);
#pragma GCC unroll 8
    for (std::int64_t r = 0; r < kRows; ++r) {
      const __m512bh a = (__m512bh)_mm512_set1_epi32(static_cast<int>(rows[r][p]));
      sums[r][0] = _mm512_dpbf16_ps(sums[r][0], a, b0);
      sums[r][1] = _mm512_dpbf16_ps(sums[r][1], a, b1);
      sums[r][2] = _mm512_dpbf16_ps(sums[r][2], a, b2);
    }
  }
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t v = 0; v < 3; ++v) _mm512_store_ps(tile[r] + v * kVector, sums[r][v]);
}

// Pointers to kRows rows from `row` on; past the end the last row stands in, and its sums are not stored.
void rows_from(const Pair* matrix, std::int64_t stride, std::int64_t row, std::int64_t count, const Pair** rows) {
  for (std::int64_t r = 0; r < kRows; ++r) rows[r] = matrix + std::min(row + r, count - 1) * stride;
}

// A 16 × 16 matrix of 32-bit numbers, transposed in registers.
AVX512_BF16 void transpose(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// Sixteen columns of two rows as pairs, the upper row's element first; `lower` null stands for zeros.
AVX512_BF16 __m512i interleave(const bf16* upper, const bf16* lower, std::int64_t columns) {
  alignas(64) static constexpr std::uint16_t kOrder[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                           8,  40, 9,  41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __mmask16 mask = first(columns);
  const __m256i a = _mm256_maskz_loadu_epi16(mask, upper);
  const __m256i b = lower == nullptr ? _mm256_setzero_si256() : _mm256_maskz_loadu_epi16(mask, lower);
  return _mm512_permutex2var_epi16(_mm512_castsi256_si512(a), _mm512_load_si512(kOrder), _mm512_castsi256_si512(b));
}

// panel[p][l] from rows x[row + l] whose pairs lie side by side: the summed dimension is the columns.
AVX512_BF16 void panel_of_rows(const bf16* x, std::int64_t row, std::int64_t count, std::int64_t columns, Pair* panel) {
  const std::int64_t pairs = columns / 2;
  for (std::int64_t v = 0; v < 3; ++v) {
    for (std::int64_t p = 0; p < pairs; p += kVector) {
      __m512i block[16];
      for (std::int64_t i = 0; i < kVector; ++i) {
        const std::int64_t r = row + v * kVector + i;
        block[i] = r < count ? _mm512_maskz_loadu_epi32(first(pairs - p), x + r * columns + 2 * p) : _mm512_setzero_si512();
      }
      transpose(block);
      for (std::int64_t i = 0; i < std::min(kVector, pairs - p); ++i) _mm512_store_si512(panel + (p + i) * kLanes + v * kVector, block[i]);
    }
  }
}

// panel[p][l] from columns x[·][column + l]: the summed dimension is the rows, neighbours are put side by side.
AVX512_BF16 void panel_of_columns(const bf16* x, std::int64_t rows, std::int64_t columns, std::int64_t column, Pair* panel) {
  for (std::int64_t p = 0; 2 * p < rows; ++p) {
    const bf16* upper = x + 2 * p * columns + column;
    const bf16* lower = 2 * p + 1 < rows ? upper + columns : nullptr;
    for (std::int64_t v = 0; v < 3; ++v) {
      const std::int64_t at = v * kVector;
      const std::int64_t left = columns - column - at;
      // no address past the matrix is formed, not even under an empty mask
      const __m512i pairs = left <= 0 ? _mm512_setzero_si512() : interleave(upper + at, lower == nullptr ? nullptr : lower + at, left);
      _mm512_store_si512(panel + p * kLanes + at, pairs);
    }
  }
}

// rows[n][p]: pairs of g's rows, for column n. Writes columns [column, column + 16); `stride` is in pairs, a multiple of 16.
AVX512_BF16 void rows_of_columns(const bf16* g, std::int64_t count, std::int64_t columns, std::int64_t column, Pair* rows, std::int64_t stride) {
  const std::int64_t left = std::min(kVector, columns - column);
  for (std::int64_t p = 0; 2 * p < count; p += kVector) {
    __m512i block[16];
    for (std::int64_t i = 0; i < kVector; ++i) {
      const std::int64_t row = 2 * (p + i);
      block[i] = row >= count ? _mm512_setzero_si512()
                              : interleave(g + row * columns + column, row + 1 < count ? g + (row + 1) * columns + column : nullptr, left);
    }
    transpose(block);
    for (std::int64_t i = 0; i < left; ++i) _mm512_store_si512(rows + (column + i) * stride + p, block[i]);
  }
}

AVX512_BF16 void narrow_store(bf16* out, __mmask16 mask, __m512 values) {
  _mm256_mask_storeu_epi16(out, mask, (__m256i)_mm512_cvtneps_pbh(values));
}

// Rows of a tile to rows of the output.
AVX512_BF16 void store(const float (*tile)[kLanes], bf16* out, std::int64_t stride, std::int64_t rows, std::int64_t lanes) {
  for (std::int64_t r = 0; r < std::min(rows, kRows); ++r)
    for (std::int64_t v = 0; v * kVector < lanes; ++v)
      narrow_store(out + r * stride + v * kVector, first(lanes - v * kVector), _mm512_load_ps(tile[r] + v * kVector));
}

// Sixteen rows of two tiles to columns of the output: lane l, row r goes to out[l][r], plus bias[r].
AVX512_BF16 void store_transposed(const float (*tile)[kLanes], const bf16* bias, bf16* out, std::int64_t stride, std::int64_t rows, std::int64_t lanes) {
  const __mmask16 mask = first(rows);
  __m512 added = _mm512_setzero_ps();
  if (bias != nullptr) added = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, bias)), 16));
  for (std::int64_t v = 0; v * kVector < lanes; ++v) {
    __m512i block[16];
    for (int i = 0; i < 16; ++i) block[i] = _mm512_castps_si512(_mm512_load_ps(tile[i] + v * kVector));
    transpose(block);
    for (std::int64_t i = 0; i < std::min(kVector, lanes - v * kVector); ++i)
      narrow_store(out + (v * kVector + i) * stride, mask, _mm512_add_ps(_mm512_castsi512_ps(block[i]), added));
  }
}

const Pair* as_pairs(const bf16* matrix) { return reinterpret_cast<const Pair*>(matrix); }
std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// out[count, K] = rows · matrix[summed, K]: rows of pairs, `stride` pairs apart, against panels of the matrix's columns.
void times_columns(const Pair* rows, std::int64_t stride, std::int64_t count, const bf16* matrix, std::int64_t summed, std::int64_t K, bf16* out) {
  const std::int64_t pairs = ceil_div(summed, 2);
  at::parallel_for(0, ceil_div(K, kLanes), 1, [&](std::int64_t begin, std::int64_t end) {
    const Scratch panel(pairs * kLanes * sizeof(Pair));
    alignas(64) float tile[kRows][kLanes];
    const Pair* some[kRows];
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t k = p * kLanes;
      panel_of_columns(matrix, summed, K, k, panel.pairs());
      for (std::int64_t row = 0; row < count; row += kRows) {
        rows_from(rows, stride, row, count, some);
        multiply(some, panel.pairs(), pairs, tile);
        store(tile, out + row * K + k, K, count - row, std::min(kLanes, K - k));
      }
    }
  });
}

}  // namespace

bool available() {
  static const bool can = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  return can;
}

// The weights' rows are broadcast and x's rows are the lanes, so that the weights need no rearranging; tiles come out transposed.
void x_wt(const bf16* x, const bf16* w, const bf16* bias, bf16* out, std::int64_t M, std::int64_t N, std::int64_t K) {
  const std::int64_t pairs = K / 2, panels = ceil_div(M, kLanes), panel_pairs = pairs * kLanes;
  const Scratch packed(panels * panel_pairs * sizeof(Pair));
  at::parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) panel_of_rows(x, p * kLanes, M, K, packed.pairs() + p * panel_pairs);
  });
  const std::int64_t kept = std::max<std::int64_t>(1, kKeptBytes / (panel_pairs * static_cast<std::int64_t>(sizeof(Pair))));
  at::parallel_for(0, ceil_div(N, 2 * kRows), 1, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float tile[2 * kRows][kLanes];
    const Pair* rows[kRows];
    for (std::int64_t from = 0; from < panels; from += kept) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t n = block * 2 * kRows;
        for (std::int64_t p = from; p < std::min(from + kept, panels); ++p) {
          for (std::int64_t half = 0; half < 2; ++half) {
            rows_from(as_pairs(w), pairs, n + half * kRows, N, rows);
            multiply(rows, packed.pairs() + p * panel_pairs, pairs, tile + half * kRows);
          }
          store_transposed(tile, bias == nullptr ? nullptr : bias + n, out + p * kLanes * N + n, N, N - n, std::min(kLanes, M - p * kLanes));
        }
      }
    }
  });
}

void g_w(const bf16* g, const bf16* w, bf16* out, std::int64_t M, std::int64_t N, std::int64_t K) { times_columns(as_pairs(g), N / 2, M, w, N, K, out); }

void gt_x(const bf16* g, const bf16* x, bf16* out, std::int64_t M, std::int64_t N, std::int64_t K) {
  const std::int64_t stride = ceil_div(ceil_div(M, 2), kVector) * kVector;
  const Scratch turned(N * stride * sizeof(Pair));
  at::parallel_for(0, ceil_div(N, kVector), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) rows_of_columns(g, M, N, block * kVector, turned.pairs(), stride);
  });
  times_columns(turned.pairs(), stride, N, x, M, K, out);
}

}  // namespace rae::gemm
