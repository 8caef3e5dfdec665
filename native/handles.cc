#include "handles.h"

#include <unordered_set>

#include "error.h"

namespace rae {
namespace {
constexpr std::int64_t kSlots = std::int64_t{1} << 24;
constexpr std::uint32_t kGenerations = 1u << 28;
}  // namespace

HandleTable& handles() {
  // Never destroyed: at exit libtorch's own statics may be gone before ours.
  static HandleTable* table = new HandleTable;
  return *table;
}

HandleTable::Slot* HandleTable::find(Handle handle) const {
  if (!(handle >= 0 && handle < 9007199254740992.0)) return nullptr;
  const auto bits = static_cast<std::int64_t>(handle);
  const std::int64_t index = bits & (kSlots - 1);
  if (index >= used_) return nullptr;
  Slot& s = slot(index);
  return s.generation == static_cast<std::uint32_t>(bits / kSlots) && s.tensor.defined() ? &s : nullptr;
}

Handle HandleTable::add(at::Tensor&& tensor) {
  if (!tensor.defined()) throw Error(kInvalid, "the operation returned no tensor");
  std::int64_t index = first_free_;
  if (index < 0) {
    if (used_ == kSlots) throw Error(kOutOfMemory, "16777216 tensors are live: something never releases them");
    if (used_ % kChunk == 0) chunks_.push_back(new Slot[kChunk]);
    index = used_++;
  } else {
    first_free_ = slot(index).next_free;
  }
  Slot& s = slot(index);
  s.tensor = std::move(tensor);
  s.owner = current_owner;
  ++live_;
  return static_cast<double>(static_cast<std::int64_t>(s.generation) * kSlots + index);
}

const at::Tensor& HandleTable::get(Handle handle) const {
  Slot* s = find(handle);
  if (!s) throw Error(kReleased, "the tensor was released");
  return s->tensor;
}

void HandleTable::free(Slot& s, std::int64_t index) {
  s.tensor.reset();
  s.generation = s.generation + 1 == kGenerations ? 1 : s.generation + 1;
  s.next_free = first_free_;
  first_free_ = index;
  --live_;
}

bool HandleTable::release(Handle handle) {
  Slot* s = find(handle);
  if (!s) return false;
  free(*s, static_cast<std::int64_t>(handle) & (kSlots - 1));
  return true;
}

void HandleTable::move(Handle handle, std::uint32_t owner) {
  Slot* s = find(handle);
  if (!s) throw Error(kReleased, "the tensor was released");
  s->owner = owner;
}

std::uint32_t HandleTable::owner(const std::string& name) {
  for (std::size_t i = 0; i < owners_.size(); ++i)
    if (owners_[i] == name) return static_cast<std::uint32_t>(i);
  owners_.push_back(name);
  return static_cast<std::uint32_t>(owners_.size() - 1);
}

std::int64_t HandleTable::reclaim(std::uint32_t owner) {
  std::int64_t freed = 0;
  for (std::int64_t i = 0; i < used_; ++i) {
    Slot& s = slot(i);
    if (s.tensor.defined() && s.owner == owner) {
      free(s, i);
      ++freed;
    }
  }
  return freed;
}

std::vector<OwnerLive> HandleTable::live() const {
  std::vector<OwnerLive> result;
  for (const std::string& name : owners_) result.push_back({name});
  std::unordered_set<const void*> seen;
  for (std::int64_t i = 0; i < used_; ++i) {
    const Slot& s = slot(i);
    if (!s.tensor.defined()) continue;
    OwnerLive& owner = result[s.owner];
    ++owner.count;
    if (s.tensor.has_storage() && seen.insert(s.tensor.storage().unsafeGetStorageImpl()).second)
      owner.bytes += static_cast<std::int64_t>(s.tensor.storage().nbytes());
  }
  return result;
}

}  // namespace rae
