/** XXH3-128 of bytes: names an image's content in the feature cache, and checks the cache's entries. */
import { createXXHash128 } from "hash-wasm"

const hasher = await createXXHash128()

/** Hex digits of the hash over the concatenation of `parts`. */
export const contentHash = (...parts: ReadonlyArray<Uint8Array>): string => {
  hasher.init()
  for (const part of parts) hasher.update(part)
  return hasher.digest()
}
