/**
 * Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 *
 * There is no state: word i of a key is a pure function of (key, i), so nothing about random streams is ever saved, any step
 * can be replayed, and the number of workers changes nothing. native/ holds the twin of this file.
 */

/** (k0, k1) is Philox's key, (c2, c3) the upper half of its counter; the lower half counts blocks of four words. */
export type Key = readonly [k0: number, k1: number, c2: number, c3: number]

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
/** Weyl increments: golden ratio and sqrt(3) - 1. */
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85

/** Upper 32 bits of a 32 x 32 bit product. */
const mulHigh = (a: number, b: number): number => {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const middle = a1 * b0 + ((a0 * b0) >>> 16)
  const low = a0 * b1 + (middle & 0xffff)
  return (a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(low / 0x10000)) >>> 0
}

/** Writes the four words of block `low + 2^32 high` to `out` at `at`. */
export const philoxBlock = (key: Key, low: number, high: number, out: Uint32Array, at = 0): void => {
  let c0 = low >>> 0
  let c1 = high >>> 0
  let c2 = key[2] >>> 0
  let c3 = key[3] >>> 0
  let k0 = key[0] >>> 0
  let k1 = key[1] >>> 0
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0)
    const high1 = mulHigh(M1, c2)
    const low0 = Math.imul(M0, c0)
    const low1 = Math.imul(M1, c2)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1 >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0 >>> 0
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  out[at] = c0
  out[at + 1] = c1
  out[at + 2] = c2
  out[at + 3] = c3
}

/** The first `count` words of a key's stream (count below 2^34: one 32-bit block number). */
export const words = (key: Key, count: number): Uint32Array => {
  const out = new Uint32Array(Math.ceil(count / 4) * 4)
  for (let at = 0; at < out.length; at += 4) philoxBlock(key, at / 4, 0, out, at)
  return out.subarray(0, count)
}
