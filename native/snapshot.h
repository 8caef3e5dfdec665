// One host buffer that a training state is copied into at a step boundary, allocated and touched once (copying 6.7 GB into touched memory
// takes 0.25 s, into fresh memory 2 to 10 s). From it the state is written by a thread, or restored.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "convert.h"

namespace rae {

class Snapshot {
 public:
  explicit Snapshot(std::int64_t size);  // touches every page
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  char* data() const { return data_; }
  std::int64_t size() const { return size_; }

  // Copies tensors to and from their offsets, in row-major order; contiguous ones on the CPU by all threads at once,
  // those on a GPU directly.
  void capture(const Tensors& tensors, const Ints& offsets);
  void restore(const Tensors& tensors, const Ints& offsets) const;

 private:
  void check(const Tensors& tensors, const Ints& offsets) const;
  // The part of the buffer at `offset`, as a tensor like `t`.
  at::Tensor part(const at::Tensor& t, std::int64_t offset) const;
  // Copies that go past the CPU, all begun before any is waited for; the buffer is pinned for the first of them.
  template <class Copy>
  void on_gpu(const Tensors& tensors, const Copy& copy) const;
  char* data_;
  std::int64_t size_, mapped_;
  mutable bool pinned_ = false;
};

// A file to write: its header, and tensors from the buffer at their places in the file.
struct WritePart {
  std::int64_t buffer_offset, file_offset, size;
};
struct WriteFile {
  std::string name, header;
  std::int64_t size = 0;
  std::vector<WritePart> parts;
};
struct WriteResult {
  std::vector<std::string> file_hashes, part_hashes;
  double seconds = 0;
};

// A test's fault: fails as the system would with `errnum` when half of file `file` is written; file -1 never.
struct WriteFault {
  std::int64_t file = -1;
  int errnum = 0;
};

// Creates every file anew in `dir`, reserves its space first, writes, fsyncs, and fsyncs the directory. On failure removes what it
// created and throws; disk_full carries the bytes that were wanted in all.
WriteResult write_files(const std::string& dir, const char* buffer, const std::vector<WriteFile>& files, WriteFault fault);

}  // namespace rae
