// Tensors from files, by descriptor and offset; src/tensor/weights.ts reads the header and knows the format.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "bind.h"
#include "fd.h"
#include "hash.h"

namespace rae {
namespace {

constexpr std::int64_t kPiece = 8 << 20;

// A tensor in memory of its own, which libtorch aligns to 64 bytes: bits of some operations depend on alignment.
Tensor read_tensor(int fd, std::int64_t offset, const Ints& shape, at::ScalarType dtype) {
  Tensor t = at::empty(shape, at::TensorOptions().dtype(dtype));
  const auto size = static_cast<std::int64_t>(t.nbytes());
  auto* data = static_cast<char*>(t.data_ptr());
  at::parallel_for(0, (size + kPiece - 1) / kPiece, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t from = begin * kPiece, to = std::min(size, end * kPiece);
    read_exactly(fd, data + from, static_cast<std::size_t>(to - from), offset + from);
  });
  return t;
}

// Small enough that what was read is still in the cache when it is hashed.
constexpr std::int64_t kHashedPiece = 512 << 10;

// Fills one tensor's memory from the file; gives the hash of what was read.
std::string fill(int fd, std::int64_t offset, char* data, std::int64_t size) {
  StreamHash hash;
  for (std::int64_t at = 0; at < size; at += kHashedPiece) {
    const auto piece = static_cast<std::size_t>(std::min(kHashedPiece, size - at));
    read_exactly(fd, data + at, piece, offset + at);
    hash.update(data + at, piece);
  }
  return hash.digest();
}

// Fills tensors that are there, in one pass over their memory: read and hashed piece by piece, each by one thread, whole tensors shared out to
// all. Fresh memory is first touched by the thread that fills it. Those elsewhere than in row-major order on the CPU are filled by way of such a copy.
std::vector<std::string> read_into(int fd, const Ints& offsets, const Tensors& tensors) {
  if (offsets.size() != tensors.size()) throw Error(kInvalid, "one offset a tensor is wanted");
  std::vector<std::string> hashes(tensors.size());
  std::vector<std::size_t> plain;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].is_cpu() && tensors[i].is_contiguous()) {
      plain.push_back(i);
      continue;
    }
    const Tensor copy = at::empty(tensors[i].sizes(), at::TensorOptions().dtype(tensors[i].scalar_type()));
    hashes[i] = fill(fd, offsets[i], static_cast<char*>(copy.data_ptr()), static_cast<std::int64_t>(copy.nbytes()));
    tensors[i].copy_(copy);
  }
  // The largest first, so that no thread begins one when the others are done.
  std::sort(plain.begin(), plain.end(), [&](std::size_t a, std::size_t b) { return tensors[a].nbytes() > tensors[b].nbytes(); });
  std::atomic<std::size_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    for (std::size_t k; (k = next++) < plain.size();) {
      const Tensor& t = tensors[plain[k]];
      hashes[plain[k]] = fill(fd, offsets[plain[k]], static_cast<char*>(t.data_ptr()), static_cast<std::int64_t>(t.nbytes()));
    }
  });
  return hashes;
}

// A tensor that is the file's pages themselves, at whatever alignment the file gives; writing to it changes private copies of them.
Tensor map_tensor(int fd, std::int64_t offset, const Ints& shape, at::ScalarType dtype) {
  std::int64_t size = static_cast<std::int64_t>(c10::elementSize(dtype));
  for (std::int64_t n : shape) size *= n;
  struct stat status {};
  if (fstat(fd, &status) != 0) throw system_error("looking at the file", errno);
  if (offset < 0 || size < 0 || offset > status.st_size - size) throw Error(kIo, "the file is shorter than its header says");
  if (size == 0) return at::empty(shape, at::TensorOptions().dtype(dtype));
  const std::int64_t slack = offset % 4096, length = size + slack;
  void* map = mmap(nullptr, static_cast<std::size_t>(length), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset - slack);
  if (map == MAP_FAILED) throw system_error("mapping the file", errno);
  return at::from_blob(static_cast<char*>(map) + slack, shape, [map, length](void*) { munmap(map, static_cast<std::size_t>(length)); },
                       at::TensorOptions().dtype(dtype));
}

std::string hash_of(const Tensor& t) {
  const Tensor host = t.cpu().contiguous();
  return hex(XXH3_128bits(host.numel() ? host.data_ptr() : nullptr, host.nbytes()));
}

// All at once, shared out to libtorch's threads.
std::vector<std::string> hashes_of(const Tensors& tensors) {
  std::vector<std::string> result(tensors.size());
  at::parallel_for(0, static_cast<std::int64_t>(tensors.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) result[i] = hash_of(tensors[i]);
  });
  return result;
}

}  // namespace

void define_weights(napi_env env, napi_value exports) {
  define(env, exports, {
    def("readTensor", [](std::int64_t fd, std::int64_t offset, const Ints& shape, at::ScalarType dtype) {
      return read_tensor(static_cast<int>(fd), offset, shape, dtype);
    }),
    def("readInto", [](std::int64_t fd, const Ints& offsets, const Tensors& tensors) { return read_into(static_cast<int>(fd), offsets, tensors); }),
    def("mapTensor", [](std::int64_t fd, std::int64_t offset, const Ints& shape, at::ScalarType dtype) {
      return map_tensor(static_cast<int>(fd), offset, shape, dtype);
    }),
    // The tensor itself where it starts at a multiple of 64 bytes in row-major order, else a copy that does.
    def("aligned", [](const Tensor& t) {
      return t.is_contiguous() && reinterpret_cast<std::uintptr_t>(t.data_ptr()) % 64 == 0 ? t : t.clone(at::MemoryFormat::Contiguous);
    }),
    def("hashTensors", [](const Tensors& tensors) { return hashes_of(tensors); }),
  });
}

}  // namespace rae
