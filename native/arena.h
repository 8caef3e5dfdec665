// Memory for tensors: one range of huge pages that is never given back while the process lives, cut up best-fit and merged on release.
//
// Why: the C library maps every block above 128 KiB anew and unmaps it when freed, so that each operation's result is paid for in page
// faults. Measured in a virtual machine: 7 to 25 µs a 4 KiB page (0.2 GB/s), against 14 GB/s for first use of a huge page and nothing for
// reused memory; a softmax whose result has 15 MB took 27 ms, of which 23 were faults.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace rae {

struct ArenaStats {
  std::int64_t live = 0;      // bytes in use
  std::int64_t peak = 0;      // the most that were
  std::int64_t extent = 0;    // bytes from the start to the end of the last block ever used: resident, at most
};

class Arena {
 public:
  // Reserves addresses for twice `limit` (fragmentation) without memory behind them; more than `limit` bytes are never in use at once.
  explicit Arena(std::int64_t limit);

  // Page-aligned; null where the limit or the addresses do not allow it.
  void* allocate(std::size_t size);
  bool owns(const void* data) const { return data >= base_ && data < base_ + reserved_; }
  void release(void* data);

  // Gives the memory behind free blocks back to the system; the next use faults it in again.
  void trim();
  ArenaStats stats();
  void reset_peak();

 private:
  void add_free(char* begin, std::int64_t size);
  void remove_free(std::map<char*, std::int64_t>::iterator block);

  std::mutex mutex_;
  char* base_ = nullptr;
  std::int64_t reserved_ = 0, limit_;
  std::map<char*, std::int64_t> used_, free_;             // by address
  std::set<std::pair<std::int64_t, char*>> free_by_size_;  // best fit, the lowest address among equals
  ArenaStats stats_;
};

// Bytes of memory that this process may use: the machine's, the control group's limit or RAE_MEMORY_LIMIT's, whichever is least.
std::int64_t memory_limit();

}  // namespace rae
