#include "arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "error.h"

namespace rae {
namespace {
constexpr std::int64_t kPage = 4096;
constexpr std::int64_t kHugePage = 2 << 20;
std::int64_t round_up(std::int64_t size, std::int64_t to) { return (size + to - 1) / to * to; }
}  // namespace

std::int64_t memory_limit() {
  std::int64_t limit = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::int64_t group = 0;
    if (std::ifstream(path) >> group && group > 0) limit = std::min(limit, group);  // "max" is no number: no limit
  }
  if (const char* own = std::getenv("RAE_MEMORY_LIMIT")) {
    const std::int64_t bytes = std::strtoll(own, nullptr, 10);
    if (bytes > 0) limit = std::min(limit, bytes);
  }
  return limit;
}

Arena::Arena(std::int64_t limit) : limit_(limit) {
  // Under a limit on addresses (ulimit -v) less has to do.
  for (reserved_ = round_up(2 * limit, kHugePage); reserved_ >= kHugePage; reserved_ = round_up(reserved_ / 2, kHugePage)) {
    void* map = mmap(nullptr, static_cast<std::size_t>(reserved_ + kHugePage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) continue;
    base_ = reinterpret_cast<char*>(round_up(reinterpret_cast<std::int64_t>(map), kHugePage));
    madvise(base_, static_cast<std::size_t>(reserved_), MADV_HUGEPAGE);  // a hint; without huge pages first use is slower
    add_free(base_, reserved_);
    return;
  }
  throw Error(kOutOfMemory, "no addresses left for tensors");
}

void Arena::add_free(char* begin, std::int64_t size) {
  free_.emplace(begin, size);
  free_by_size_.emplace(size, begin);
}

void Arena::remove_free(std::map<char*, std::int64_t>::iterator block) {
  free_by_size_.erase({block->second, block->first});
  free_.erase(block);
}

void* Arena::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > static_cast<std::size_t>(limit_)) return nullptr;
  const std::int64_t size = round_up(static_cast<std::int64_t>(bytes), kPage);
  if (stats_.live + size > limit_) return nullptr;
  const auto best = free_by_size_.lower_bound({size, nullptr});
  if (best == free_by_size_.end()) return nullptr;
  const auto [have, begin] = *best;
  remove_free(free_.find(begin));
  if (have > size) add_free(begin + size, have - size);
  used_.emplace(begin, size);
  stats_.live += size;
  stats_.peak = std::max(stats_.peak, stats_.live);
  stats_.extent = std::max(stats_.extent, static_cast<std::int64_t>(begin - base_) + size);
  return begin;
}

void Arena::release(void* data) {
  const std::lock_guard lock(mutex_);
  const auto block = used_.find(static_cast<char*>(data));
  if (block == used_.end()) return;
  char* begin = block->first;
  std::int64_t size = block->second;
  used_.erase(block);
  stats_.live -= size;
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && next->first == begin + size) {
    size += next->second;
    remove_free(next);
  }
  auto previous = free_.lower_bound(begin);
  if (previous != free_.begin() && (--previous)->first + previous->second == begin) {
    begin = previous->first;
    size += previous->second;
    remove_free(previous);
  }
  add_free(begin, size);
}

void Arena::trim() {
  const std::lock_guard lock(mutex_);
  for (const auto& [begin, size] : free_) {
    const std::int64_t from = round_up(begin - base_, kHugePage), to = std::min(begin - base_ + size, stats_.extent) / kHugePage * kHugePage;
    if (to > from) madvise(base_ + from, static_cast<std::size_t>(to - from), MADV_DONTNEED);
  }
}

ArenaStats Arena::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Arena::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.live;
}

}  // namespace rae
