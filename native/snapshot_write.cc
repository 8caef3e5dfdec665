#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "error.h"
#include "fd.h"
#include "hash.h"
#include "snapshot.h"

namespace rae {
namespace {

constexpr std::int64_t kPiece = 8 << 20;  // the kernel starts on one piece while the next is hashed

class FileWriter {
 public:
  FileWriter(const std::string& path, std::int64_t size, std::int64_t fail_at, int errnum)
      : path_(path), fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)), fail_at_(fail_at), errnum_(errnum) {
    if (fd_ < 0) throw system_error("creating " + path, errno);
    // Space first: running out of it half way would waste the writing.
    const int failed = size > 0 ? posix_fallocate(fd_, 0, size) : 0;
    if (failed != 0 && failed != EOPNOTSUPP && failed != EINVAL) throw system_error("reserving " + std::to_string(size) + " bytes for " + path, failed);
  }

  // In the order of the file, gaps (of less than 64 bytes) filled with zeros.
  void put(std::int64_t offset, const char* data, std::int64_t size) {
    static constexpr char zeros[64] = {};
    if (offset > at_) append(zeros, offset - at_);
    for (std::int64_t done = 0; done < size; done += kPiece) append(data + done, std::min(kPiece, size - done));
  }

  std::string finish() {
    if (fsync(fd_) != 0) throw system_error("syncing " + path_, errno);
    return hash_.digest();
  }

 private:
  void append(const char* data, std::int64_t size) {
    if (fail_at_ >= 0 && at_ + size >= fail_at_) throw system_error("writing " + path_, errnum_);
    write_exactly(fd_, data, static_cast<std::size_t>(size), at_, path_);
    sync_file_range(fd_, at_, size, SYNC_FILE_RANGE_WRITE);  // begin now, wait in fsync
    hash_.update(data, static_cast<std::size_t>(size));
    at_ += size;
  }

  std::string path_;
  Fd fd_;
  StreamHash hash_;
  std::int64_t at_ = 0, fail_at_;
  int errnum_;
};

void sync_directory(const std::string& dir) {
  Fd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd < 0 || fsync(fd) != 0) throw system_error("syncing directory " + dir, errno);
}

}  // namespace

WriteResult write_files(const std::string& dir, const char* buffer, const std::vector<WriteFile>& files, WriteFault fault) {
  const auto start = std::chrono::steady_clock::now();
  WriteResult result;
  std::vector<std::string> created;
  std::int64_t needed = 0;
  for (const WriteFile& file : files) needed += file.size;
  try {
    for (std::size_t i = 0; i < files.size(); ++i) {
      const WriteFile& file = files[i];
      const std::string path = dir + "/" + file.name;
      // One that is there already is not ours to remove.
      if (access(path.c_str(), F_OK) != 0) created.push_back(path);
      FileWriter writer(path, file.size, static_cast<std::int64_t>(i) == fault.file ? file.size / 2 : -1, fault.errnum);
      writer.put(0, file.header.data(), static_cast<std::int64_t>(file.header.size()));
      for (const WritePart& part : file.parts) {
        writer.put(part.file_offset, buffer + part.buffer_offset, part.size);
        result.part_hashes.push_back(hex(XXH3_128bits(buffer + part.buffer_offset, static_cast<std::size_t>(part.size))));
      }
      result.file_hashes.push_back(writer.finish());
    }
    sync_directory(dir);
  } catch (Error& error) {
    for (const std::string& path : created) unlink(path.c_str());
    error.needed = needed;
    throw;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace rae
