// The one process-wide table of tensors that JavaScript knows. A handle is a slot and its generation in one double, so a released
// handle is told apart from the slot's next tenant; each slot knows its owner (an actor), so that a restarted actor's tensors can be
// reclaimed. Only the JavaScript thread touches the table, so nothing here locks.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rae {

using Handle = double;  // generation * 2^24 + slot: below 2^53, so exact in a double

struct OwnerLive {
  std::string name;
  std::int64_t count = 0, bytes = 0;
};

class HandleTable {
 public:
  Handle add(at::Tensor&& tensor);
  // The tensor of a live handle; throws Error released. The reference stays valid until the handle is released.
  const at::Tensor& get(Handle handle) const;
  // False where the handle was no longer live: releasing twice is harmless.
  bool release(Handle handle);
  void move(Handle handle, std::uint32_t owner);

  // The id of the owner of that name, made on first use. Owner 0 is "main".
  std::uint32_t owner(const std::string& name);
  const std::string& owner_name(std::uint32_t owner) const { return owners_.at(owner); }
  std::uint32_t current_owner = 0;

  // Frees all handles of an owner and returns how many there were.
  std::int64_t reclaim(std::uint32_t owner);

  std::int64_t count() const { return live_; }
  // Count and bytes by owner. A storage shared by several handles counts once, for the owner of its lowest slot.
  std::vector<OwnerLive> live() const;

 private:
  struct Slot {
    at::Tensor tensor;
    std::uint32_t generation = 1;
    std::uint32_t owner = 0;
    std::int64_t next_free = -1;
  };
  // Chunks never move, so that references outlive the growth of the table.
  static constexpr std::int64_t kChunk = 4096;
  Slot& slot(std::int64_t index) const { return chunks_[index / kChunk][index % kChunk]; }
  Slot* find(Handle handle) const;
  void free(Slot& slot, std::int64_t index);

  std::vector<Slot*> chunks_;
  std::int64_t first_free_ = -1, used_ = 0, live_ = 0;
  std::vector<std::string> owners_{"main"};
};

HandleTable& handles();

}  // namespace rae
