/** Stands in for the engine in tests of the commit protocol: writes a small training state into a directory and reports what it wrote. */
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Contents, Store } from "../src/checkpoint/store.ts"
import { storedAs, type TensorEntry, type WriteReport } from "../src/checkpoint/manifest.ts"
import { hashBytes } from "../src/checkpoint/xxh3.ts"
import { bytesPerElement, encodeHeader } from "../src/formats/safetensors.ts"

const state = [
  { name: "decoder.embed.weight", file: "decoder.safetensors", dtype: "float32", shape: [16, 7] },
  { name: "decoder.norm.bias", file: "decoder.safetensors", dtype: "bfloat16", shape: [33] },
  { name: "ema.embed.weight", file: "ema.safetensors", dtype: "float32", shape: [16, 7] },
  { name: "optimizer.step", file: "optimizer.safetensors", dtype: "int64", shape: [] },
  { name: "optimizer.empty", file: "optimizer.safetensors", dtype: "uint8", shape: [0, 4] }
] as const satisfies ReadonlyArray<Omit<TensorEntry, "hash">>

/** Bytes that depend on the step and the name alone. */
const dataOf = (name: string, step: number, bytes: number) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + step * 7 + name.length * 13) & 0xff)

/** Writes the state of `step`; `scale` makes every first dimension longer. */
export const writeState = (directory: string, step: number, scale = 1): WriteReport => {
  const sized = state.map(({ name, file, dtype, shape }) => ({ name, file, dtype, shape: shape.map((size, i) => i === 0 ? size * scale : size) }))
  const written = [...Map.groupBy(sized, ({ file }) => file)].map(([file, tensors]) => {
    const header = encodeHeader(tensors.map(({ name, dtype, shape }) => ({ name, dtype: storedAs[dtype], shape })))
    const bytes = new Uint8Array(header.fileSize)
    bytes.set(header.bytes)
    const entries = tensors.map((tensor, i): TensorEntry => {
      const data = dataOf(tensor.name, step, tensor.shape.reduce((a, b) => a * b, bytesPerElement[storedAs[tensor.dtype]]))
      bytes.set(data, header.tensors[i]!.begin)
      return { ...tensor, hash: hashBytes(data) }
    })
    writeFileSync(join(directory, file), bytes)
    return { entry: { name: file, size: bytes.length, hash: hashBytes(bytes) }, entries }
  })
  return { files: written.map(({ entry }) => entry), tensors: written.flatMap(({ entries }) => entries) }
}

export const contentsOf = (step: number, report: WriteReport): Contents => ({
  epoch: Math.floor(step / 100), position: step % 100, config_hash: "c0ffee", resumed_from: null,
  frozen: [{ name: "encoder", hash: "0123456789abcdef0123456789abcdef" }], report, state: { step, skipped: [] }
})

/** One whole save. */
export const save = Effect.fnUntraced(function*(store: Store, step: number, scale = 1) {
  const temporary = yield* store.begin(step)
  return yield* store.commit(temporary, contentsOf(step, writeState(temporary.path, step, scale)))
})

export const temporaryDirectory = (): { readonly path: string } & Disposable => {
  const path = mkdtempSync(join(tmpdir(), "rae-checkpoint-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
