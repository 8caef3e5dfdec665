/** Weights and images by the formula of tests/golden/inception/make.py, so that its 90 MB need not be kept. */
import { crc32 } from "node:zlib"
import { inceptionSpec } from "../src/models/inception.ts"
import * as T from "../src/tensor/ops.ts"
import type { Tensor } from "../src/tensor/tensor.ts"

/** `count` numbers in [0, 1): a hash of the position, keyed by the name's CRC-32. */
const drawn = (name: string, count: number): Float32Array => {
  const key = crc32(name)
  const numbers = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    let h = (Math.imul(i, 2_654_435_761) + key) >>> 0
    h ^= h >>> 16
    h = Math.imul(h, 0x85ebca6b) >>> 0
    h ^= h >>> 13
    numbers[i] = (h >>> 8) / 2 ** 24
  }
  return numbers
}

/** Under the published names; the caller owns them. */
export const formulaWeights = (): ReadonlyMap<string, Tensor> => new Map([...inceptionSpec().parameters].map(([name, { shape }]) => {
  const numbers = drawn(name, shape.reduce((product, size) => product * size, 1))
  // scale and shift in float32, as PyTorch has them
  const [less, scale] = name.endsWith("running_var") || name.endsWith("bn.weight") ? [-0.5, 1]
    : shape.length === 1 ? [0.5, 0.25] : [0.5, Math.fround(2 * Math.sqrt(6 / shape.slice(1).reduce((product, size) => product * size, 1)))]
  for (let i = 0; i < numbers.length; i++) numbers[i] = Math.fround(numbers[i]! - less) * scale
  return [name, T.fromFloat32(numbers, shape)] as const
}))
