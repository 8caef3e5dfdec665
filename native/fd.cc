#include "fd.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "error.h"

namespace rae {

void read_exactly(int fd, void* into, std::size_t size, std::int64_t offset) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = pread(fd, at, std::min<std::size_t>(size, 1 << 30), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("reading at byte " + std::to_string(offset), errno);
    if (got == 0) throw Error(kIo, "the file ends at byte " + std::to_string(offset) + ", " + std::to_string(size) + " bytes early");
    at += got;
    offset += got;
    size -= static_cast<std::size_t>(got);
  }
}

void write_exactly(int fd, const void* from, std::size_t size, std::int64_t offset, const std::string& path) {
  const auto* at = static_cast<const char*>(from);
  while (size > 0) {
    const ssize_t put = pwrite(fd, at, size, offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw system_error("writing " + path, errno);
    at += put;
    offset += put;
    size -= static_cast<std::size_t>(put);
  }
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace rae
