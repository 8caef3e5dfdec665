/** PyTorch files for tests: every element of the n-th tensor has the value n, or n times a scale. */
import { crc32 } from "node:zlib"
import { layOutTorchFile } from "../src/formats/torch-writer.ts"

export const torchFile = (tensors: ReadonlyMap<string, ReadonlyArray<number>>, scale = 1): Uint8Array => {
  const named = Array.from(tensors, ([name, shape]) => ({ name, shape, dtype: "F32" as const }))
  const numbers = named.map(({ shape }, n) => new Uint8Array(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(n * scale).buffer))
  const { rest, storages } = layOutTorchFile(named, crc32)
  const pieces = [...rest(numbers.map((bytes) => crc32(bytes))), ...storages.map(({ begin }, i) => ({ at: begin, bytes: numbers[i]! }))]
  const file = new Uint8Array(Math.max(...pieces.map(({ at, bytes }) => at + bytes.length)))
  for (const { at, bytes } of pieces) file.set(bytes, at)
  return file
}
