/** What is drawn from a key: uniforms, normals, integers, permutations. */
import { type Key, words } from "./philox.ts"

const TWO32 = 0x100000000

/** 32-bit FNV-1a: spreads the purposes over the key space. */
const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}

/**
 * The key of one draw. Seeds up to 2^53; `step` and `sample` are 32-bit. Two purposes never share a stream, nor do two steps
 * or samples of one purpose.
 */
export const keyOf = (seed: number, purpose: string, step = 0, sample = 0): Key =>
  [seed >>> 0, hash(`${purpose}/${Math.floor(seed / TWO32)}`), step >>> 0, sample >>> 0]

/** float32 uniforms in [0, 1): the upper 24 bits of each word. */
export const uniform = (key: Key, count: number): Float32Array => Float32Array.from(words(key, count), (x) => (x >>> 8) * 2 ** -24)

/** float32 standard normals by Box-Muller in double precision, two words to two normals. */
export const normal = (key: Key, count: number): Float32Array => {
  const x = words(key, count + (count % 2))
  const out = new Float32Array(x.length)
  for (let i = 0; i < x.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((x[i]! + 0.5) / TWO32))
    const angle = 2 * Math.PI * ((x[i + 1]! + 0.5) / TWO32)
    out[i] = radius * Math.cos(angle)
    out[i + 1] = radius * Math.sin(angle)
  }
  return out.subarray(0, count)
}

/** Integers in [0, below), below at most 2^32; the bias of scaling a 32-bit word is under below / 2^32. */
export const integers = (key: Key, count: number, below: number): Uint32Array =>
  Uint32Array.from(words(key, count), (x) => Math.floor((x * below) / TWO32))

/** A permutation of 0 … count-1 (Fisher-Yates). */
export const shuffle = (key: Key, count: number): Uint32Array => {
  const out = Uint32Array.from({ length: count }, (_, i) => i)
  const x = words(key, count)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((x[i]! * (i + 1)) / TWO32)
    const kept = out[i]!
    out[i] = out[j]!
    out[j] = kept
  }
  return out
}
