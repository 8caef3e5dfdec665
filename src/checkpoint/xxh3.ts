/** XXH3-128 as 32 hex digits: the same digest that the addon computes with xxhash.h (tests/checkpoint-xxh3.test.ts has its vectors). */
import { createXXHash128 } from "hash-wasm"

/** Hashes one stream of bytes after another: `digest` ends a stream, `begin` starts the next. */
export interface Hasher extends Disposable {
  readonly begin: () => void
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => string
}

/** Hashers are lent and given back: each is a WebAssembly instance, and making one takes longer than hashing a small checkpoint. */
const idle: Array<Hasher> = []

/** A hasher of its own for as long as the caller holds it. */
export const borrowHasher = async (): Promise<Hasher> => {
  const lent = idle.pop()
  if (lent !== undefined) return lent
  const state = await createXXHash128() // seed 0, as everywhere
  const hasher: Hasher = {
    begin: () => void state.init(),
    update: (bytes) => void state.update(bytes),
    digest: () => state.digest(),
    [Symbol.dispose]: () => void idle.push(hasher)
  }
  return hasher
}

const whole = await borrowHasher()

/** Digest of bytes at hand. */
export const hashBytes = (bytes: Uint8Array): string => {
  whole.begin()
  whole.update(bytes)
  return whole.digest()
}
