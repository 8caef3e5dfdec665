#include "snapshot.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <emmintrin.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cuda/cuda.h"
#include "error.h"

namespace rae {
namespace {

constexpr std::int64_t kPiece = 4 << 20;

// Past the caches, so that the copy neither reads the destination first nor evicts what the next step needs. `to` 16-byte aligned.
void stream_copy(char* to, const char* from, std::int64_t size) {
  std::int64_t at = 0;
  for (; at + 64 <= size; at += 64) {
    const auto* in = reinterpret_cast<const __m128i*>(from + at);
    auto* out = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1), c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
    _mm_stream_si128(out, a);
    _mm_stream_si128(out + 1, b);
    _mm_stream_si128(out + 2, c);
    _mm_stream_si128(out + 3, d);
  }
  std::memcpy(to + at, from + at, static_cast<std::size_t>(size - at));
  _mm_sfence();
}

struct Piece {
  char* to;
  const char* from;
  std::int64_t size;
};

void add_pieces(std::vector<Piece>& pieces, char* to, const char* from, std::int64_t size) {
  for (std::int64_t at = 0; at < size; at += kPiece) pieces.push_back({to + at, from + at, std::min(kPiece, size - at)});
}

void copy_all(const std::vector<Piece>& pieces) {
  at::parallel_for(0, static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Piece& p = pieces[i];
      if (reinterpret_cast<std::uintptr_t>(p.to) % 16 == 0) stream_copy(p.to, p.from, p.size);
      else std::memcpy(p.to, p.from, static_cast<std::size_t>(p.size));
    }
  });
}

bool plain(const at::Tensor& t) { return t.is_cpu() && t.is_contiguous(); }

}  // namespace

Snapshot::Snapshot(std::int64_t size) : size_(size), mapped_(std::max<std::int64_t>(size, 1)) {
  void* map = mmap(nullptr, static_cast<std::size_t>(mapped_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) throw Error(kOutOfMemory, "no memory for a snapshot of " + std::to_string(size) + " bytes");
  data_ = static_cast<char*>(map);
  madvise(map, static_cast<std::size_t>(mapped_), MADV_HUGEPAGE);  // a hint; without huge pages it is only slower
  at::parallel_for(0, (mapped_ + kPiece - 1) / kPiece, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin * kPiece; at < std::min(mapped_, end * kPiece); at += 4096) data_[at] = 0;
  });
}

Snapshot::~Snapshot() {
  if (pinned_) cuda::unpin(data_);
  munmap(data_, static_cast<std::size_t>(mapped_));
}

void Snapshot::check(const Tensors& tensors, const Ints& offsets) const {
  if (tensors.size() != offsets.size()) throw Error(kInvalid, "one offset a tensor is wanted");
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (offsets[i] < 0 || offsets[i] > size_ - static_cast<std::int64_t>(tensors[i].nbytes())) throw Error(kInvalid, "a tensor lies outside the snapshot");
}

at::Tensor Snapshot::part(const at::Tensor& t, std::int64_t offset) const {
  return at::from_blob(data_ + offset, t.sizes(), at::TensorOptions().dtype(t.scalar_type()));
}

template <class Copy>
void Snapshot::on_gpu(const Tensors& tensors, const Copy& copy) const {
  const auto first = std::find_if(tensors.begin(), tensors.end(), [](const at::Tensor& t) { return t.is_cuda(); });
  if (first == tensors.end()) return;
  if (!pinned_) pinned_ = cuda::pin(data_, static_cast<std::size_t>(mapped_), first->device());
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].is_cuda()) copy(i);
  cuda::synchronize(first->device());
}

void Snapshot::capture(const Tensors& tensors, const Ints& offsets) {
  check(tensors, offsets);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& t = tensors[i];
    if (plain(t)) add_pieces(pieces, data_ + offsets[i], static_cast<const char*>(t.data_ptr()), static_cast<std::int64_t>(t.nbytes()));
    else if (t.is_cpu()) part(t, offsets[i]).copy_(t);
  }
  copy_all(pieces);
  on_gpu(tensors, [&](std::size_t i) { part(tensors[i], offsets[i]).copy_(tensors[i], /*non_blocking=*/true); });
}

void Snapshot::restore(const Tensors& tensors, const Ints& offsets) const {
  check(tensors, offsets);
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& t = tensors[i];
    if (plain(t)) add_pieces(pieces, static_cast<char*>(t.data_ptr()), data_ + offsets[i], static_cast<std::int64_t>(t.nbytes()));
    else if (t.is_cpu()) t.copy_(part(t, offsets[i]));
  }
  copy_all(pieces);
  on_gpu(tensors, [&](std::size_t i) { tensors[i].copy_(part(tensors[i], offsets[i]), /*non_blocking=*/true); });
}

}  // namespace rae
