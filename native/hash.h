// XXH3-128 as 32 hex digits, as xxhsum -H2 and hash-wasm print it.
#pragma once
#include <xxhash.h>

#include <string>

namespace rae {

inline std::string hex(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : canonical.digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

class StreamHash {
 public:
  StreamHash() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~StreamHash() { XXH3_freeState(state_); }
  StreamHash(const StreamHash&) = delete;
  void update(const void* data, std::size_t size) { XXH3_128bits_update(state_, data, size); }
  std::string digest() const { return hex(XXH3_128bits_digest(state_)); }

 private:
  XXH3_state_t* state_;
};

}  // namespace rae
