#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <deque>
#include <thread>

#include "error.h"
#include "fd.h"
#include "hash.h"
#include "snapshot.h"

namespace rae {
namespace {

constexpr std::int64_t kPiece = 8 << 20;  // the kernel starts on one piece while the next is copied to it

class FileWriter {
 public:
  explicit FileWriter(const std::string& path) : path_(path), fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) {
    if (fd_ < 0) throw system_error("creating " + path, errno);
  }

  // Space first: running out of it half way would waste the writing.
  void reserve(std::int64_t size) {
    const int failed = size > 0 ? posix_fallocate(fd_, 0, size) : 0;
    if (failed != 0 && failed != EOPNOTSUPP && failed != EINVAL) throw system_error("reserving " + std::to_string(size) + " bytes for " + path_, failed);
  }

  void fail_at(std::int64_t at, int errnum) {
    fail_at_ = at;
    errnum_ = errnum;
  }

  // In the order of the file; gaps are zero already, for the file is new.
  void put(std::int64_t offset, const char* data, std::int64_t size) {
    for (std::int64_t done = 0; done < size; done += kPiece) {
      const std::int64_t at = offset + done, piece = std::min(kPiece, size - done);
      if (fail_at_ >= 0 && at + piece >= fail_at_) throw system_error("writing " + path_, errnum_);
      write_exactly(fd_, data + done, static_cast<std::size_t>(piece), at, path_);
      sync_file_range(fd_, at, piece, SYNC_FILE_RANGE_WRITE);  // begin now, wait in `sync`
    }
  }

  void extend(std::int64_t size) {
    if (ftruncate(fd_, size) != 0) throw system_error("writing " + path_, errno);
  }

  void sync() {
    if (fsync(fd_) != 0) throw system_error("syncing " + path_, errno);
  }

 private:
  std::string path_;
  Fd fd_;
  std::int64_t fail_at_ = -1;
  int errnum_ = 0;
};

// Hashes what the files will hold, from memory, on a thread beside the writing; gives up early where that fails.
class Hashing {
 public:
  Hashing(const char* buffer, const std::vector<WriteFile>& files) : thread_([this, buffer, &files] { run(buffer, files); }) {}
  ~Hashing() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Hashing(const Hashing&) = delete;

  void finish(WriteResult& result) {
    thread_.join();
    result.file_hashes = std::move(files_);
    result.part_hashes = std::move(parts_);
  }

 private:
  void run(const char* buffer, const std::vector<WriteFile>& files) {
    static constexpr char zeros[64] = {};
    for (const WriteFile& file : files) {
      StreamHash whole;
      whole.update(file.header.data(), file.header.size());
      std::int64_t at = static_cast<std::int64_t>(file.header.size());
      const auto fill_to = [&](std::int64_t end) {
        for (; at < end; at += std::min<std::int64_t>(64, end - at)) whole.update(zeros, static_cast<std::size_t>(std::min<std::int64_t>(64, end - at)));
      };
      for (const WritePart& part : file.parts) {
        fill_to(part.file_offset);
        StreamHash own;
        // Both hashes of a piece while it is in the cache.
        for (std::int64_t done = 0; done < part.size; done += kHashed) {
          if (stop_) return;
          const auto piece = static_cast<std::size_t>(std::min(kHashed, part.size - done));
          whole.update(buffer + part.buffer_offset + done, piece);
          own.update(buffer + part.buffer_offset + done, piece);
        }
        at += part.size;
        parts_.push_back(own.digest());
      }
      fill_to(file.size);
      files_.push_back(whole.digest());
    }
  }

  static constexpr std::int64_t kHashed = 256 << 10;
  std::atomic<bool> stop_{false};
  std::vector<std::string> files_, parts_;
  std::thread thread_;  // the last to be made: it uses the others
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
    std::deque<FileWriter> writers;
    for (const WriteFile& file : files) {
      const std::string path = dir + "/" + file.name;
      // One that is there already is not ours to remove.
      if (access(path.c_str(), F_OK) != 0) created.push_back(path);
      writers.emplace_back(path).reserve(file.size);
    }
    if (fault.file >= 0 && fault.file < static_cast<std::int64_t>(files.size())) writers[fault.file].fail_at(files[fault.file].size / 2, fault.errnum);
    Hashing hashing(buffer, files);
    for (std::size_t i = 0; i < files.size(); ++i) {
      writers[i].put(0, files[i].header.data(), static_cast<std::int64_t>(files[i].header.size()));
      for (const WritePart& part : files[i].parts) writers[i].put(part.file_offset, buffer + part.buffer_offset, part.size);
      writers[i].extend(files[i].size);
    }
    // Only now: a sync after each file would let the disk rest while the next one is begun.
    for (FileWriter& writer : writers) writer.sync();
    sync_directory(dir);
    hashing.finish(result);
  } catch (Error& error) {
    for (const std::string& path : created) unlink(path.c_str());
    error.needed = needed;
    throw;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace rae
