/** A training state in one host buffer: copied at a step boundary, restored for a roll-back, or written as safetensors files by a thread. */
import { constants } from "node:os"
import { encodeHeader } from "../formats/safetensors.ts"
import { dtypeBytes, type Dtype } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { native, type NativeFile, type NativeSnapshot } from "./native.ts"
import type { Tensor } from "./tensor.ts"
import { storedDtype } from "./weights.ts"

export type NamedTensors = ReadonlyMap<string, Tensor>

interface Entry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly offset: number
  readonly bytes: number
}

export interface WrittenFile {
  readonly name: string
  readonly size: number
  readonly hash: string
}
export interface WrittenTensor {
  readonly name: string
  readonly file: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly hash: string
}
export interface Written {
  readonly files: readonly WrittenFile[]
  readonly tensors: readonly WrittenTensor[]
  readonly seconds: number
}
export interface WriteOptions {
  readonly metadata?: Readonly<Record<string, string>>
  /** A test's fault: writing stops with this errno in the middle of the file with this index. */
  readonly fault?: { readonly file: number; readonly errno: keyof typeof constants.errno }
}

const aligned = (bytes: number) => Math.ceil(bytes / 64) * 64

const layoutOf = (named: NamedTensors): readonly Entry[] => {
  let offset = 0
  return Array.from(named, ([name, t]) => {
    const { shape, dtype } = t
    const bytes = t.size * dtypeBytes[dtype]
    const entry = { name, dtype, shape, offset, bytes }
    offset += aligned(bytes)
    return entry
  })
}
const sizeOf = (layout: readonly Entry[]) => layout.reduce((sum, { bytes }) => sum + aligned(bytes), 0)
const same = (a: Entry, b: Entry | undefined) => a.name === b?.name && a.dtype === b.dtype && a.shape.join() === b.shape.join()

export class Snapshot {
  #layout: readonly Entry[] = []
  #buffer: NativeSnapshot | null = null
  #writing = 0

  /** Bytes of the buffer, 0 before the first capture. */
  get bytes(): number {
    return sizeOf(this.#layout)
  }

  /** Until this is over nothing can be captured. */
  get isBeingWritten(): boolean {
    return this.#writing > 0
  }

  /** Allocates and touches the buffer for tensors like these; `capture` does it where it is not done. */
  reserve(named: NamedTensors): void {
    const layout = layoutOf(named)
    if (this.#buffer !== null && layout.length === this.#layout.length && layout.every((entry, i) => same(entry, this.#layout[i]))) return
    this.#refuseWhileWriting("reserve")
    this.#buffer = native.snapshot(sizeOf(layout))
    this.#layout = layout
  }

  /** Copies the tensors in. They keep their names, dtypes, shapes and order from one capture to the next, else the buffer is made anew. */
  capture(named: NamedTensors): void {
    this.#refuseWhileWriting("capture")
    this.reserve(named)
    native.snapshotCapture(this.#taken("capture"), Array.from(named.values(), (t) => t.handle), this.#layout.map(({ offset }) => offset))
  }

  /** Copies the captured values back into tensors of the same names, dtypes and shapes. */
  restore(named: NamedTensors): void {
    const buffer = this.#taken("restore")
    const byName = new Map(this.#layout.map((entry) => [entry.name, entry]))
    const offsets = layoutOf(named).map((entry) => {
      const mine = byName.get(entry.name)
      if (mine === undefined) throw new TensorError("invalid", "restore", `the snapshot has no ${entry.name}`)
      if (!same(mine, entry)) throw new TensorError("shape", "restore", `${entry.name} is ${entry.dtype} [${entry.shape}], the snapshot's is ${mine.dtype} [${mine.shape}]`)
      return mine.offset
    })
    native.snapshotRestore(buffer, Array.from(named.values(), (t) => t.handle), offsets)
  }

  /**
   * Writes the captured tensors, each into the file that `fileOf` names, fsynced, on a native thread; until it settles nothing can be
   * captured. The directory exists, the files do not. Rejects with TensorError `disk_full` or `io` with errno; nothing of it is left then.
   */
  async write(dir: string, fileOf: (name: string) => string, { metadata = {}, fault }: WriteOptions = {}): Promise<Written> {
    const buffer = this.#taken("write")
    const plans = [...Map.groupBy(this.#layout, ({ name }) => fileOf(name))].map(([file, entries]) => planFile(file, entries, metadata))
    this.#writing++
    try {
      const done = await native.snapshotWrite(buffer, dir, plans.map(({ native }) => native), fault?.file ?? -1, fault === undefined ? 0 : constants.errno[fault.errno])
      const written = plans.flatMap(({ native: { name: file }, entries }) => entries.map((entry) => ({ file, ...entry })))
      return {
        files: plans.map(({ native: { name, size } }, i) => ({ name, size, hash: done.fileHashes[i] ?? "" })),
        tensors: written.map(({ name, file, dtype, shape }, i) => ({ name, file, dtype, shape, hash: done.partHashes[i] ?? "" })),
        seconds: done.seconds
      }
    } finally {
      this.#writing--
    }
  }

  #refuseWhileWriting(op: string): void {
    if (this.isBeingWritten) throw new TensorError("invalid", op, "the snapshot is being written")
  }
  #taken(op: string): NativeSnapshot {
    if (this.#buffer === null) throw new TensorError("invalid", op, "nothing was captured")
    return this.#buffer
  }
}

/** Tensors whose size is a multiple of 64 bytes first: without gaps, which other readers refuse, all of those lie aligned. */
const planFile = (file: string, unordered: readonly Entry[], metadata: Readonly<Record<string, string>>): { readonly native: NativeFile; readonly entries: readonly Entry[] } => {
  const entries = unordered.toSorted((a, b) => Math.sign(a.bytes % 64) - Math.sign(b.bytes % 64))
  const header = encodeHeader(entries.map(({ name, dtype, shape }) => ({ name, dtype: storedDtype[dtype], shape })), metadata)
  const parts = header.tensors.flatMap(({ begin }, i) => [entries[i]?.offset ?? 0, begin, entries[i]?.bytes ?? 0])
  return { native: { name: file, header: header.bytes, size: header.fileSize, parts }, entries }
}
