/** XXH3-128 as 32 hex digits: the same digest that the addon computes with xxhash.h (tests/checkpoint-xxh3.test.ts has its vectors). */
import { createXXHash128 } from "hash-wasm"

/** Hashes one stream of bytes after another: `digest` ends a stream, `begin` starts the next. */
export interface Hasher {
  readonly begin: () => void
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => string
}

export const makeHasher = async (): Promise<Hasher> => {
  const state = await createXXHash128() // seed 0, as everywhere
  return { begin: () => void state.init(), update: (bytes) => void state.update(bytes), digest: () => state.digest() }
}

const whole = await makeHasher()

/** Digest of bytes at hand. */
export const hashBytes = (bytes: Uint8Array): string => {
  whole.begin()
  whole.update(bytes)
  return whole.digest()
}
