// Files by descriptor: whole reads and writes, failures as Error.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace rae {

// Reads exactly `size` bytes at `offset`; a file that ends before is an error.
void read_exactly(int fd, void* into, std::size_t size, std::int64_t offset);
void write_exactly(int fd, const void* from, std::size_t size, std::int64_t offset, const std::string& path);

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(const Fd&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

}  // namespace rae
