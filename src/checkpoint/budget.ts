/** The disk as a budget: what the next checkpoint takes, whether it fits, and how room is made. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { encodeHeader } from "../formats/safetensors.ts"
import { storedAs, type TensorEntry } from "./manifest.ts"
import { freeAt, type StorageError, storageError } from "./storage-errors.ts"

const blockBytes = 4096
const inBlocks = (bytes: number) => Math.ceil(bytes / blockBytes) * blockBytes

/** The directory, its entry, and a block for whatever the file system keeps per file. */
const overheadBytes = 4 * blockBytes
/** A manifest's text besides its lines for tensors. */
const manifestHeadBytes = 2 * blockBytes
const hash = "0".repeat(32)

/** Bytes on disk of a checkpoint with these tensors: data, headers, manifest, whole blocks. */
export const checkpointBytes = (content: {
  readonly tensors: ReadonlyArray<Pick<TensorEntry, "name" | "file" | "dtype" | "shape">>
  readonly stateBytes?: number
}): number => {
  const files = Map.groupBy(content.tensors, ({ file }) => file)
  const data = [...files.values()].reduce((sum, tensors) =>
    sum + inBlocks(encodeHeader(tensors.map(({ name, dtype, shape }) => ({ name, dtype: storedAs[dtype], shape }))).fileSize) + blockBytes, 0)
  const manifest = content.tensors.reduce((sum, { name, file, dtype, shape }) => sum + JSON.stringify({ name, file, dtype, shape, hash }).length + 6, manifestHeadBytes)
  return data + inBlocks(manifest) + inBlocks(content.stateBytes ?? blockBytes) + overheadBytes
}

/** Bytes that can still be written there. */
export const freeBytes = Effect.fnUntraced(function*(directory: string): Effect.fn.Return<number, StorageError> {
  const free = yield* Effect.promise(() => freeAt(directory))
  return free ?? (yield* storageError({ operation: "statfs", path: directory, errno: "EIO", needed: null, free: null }))
})

export type Assessment = { readonly _tag: "Ok" | "Short"; readonly needed: number; readonly free: number }

/** Whether `needed` bytes fit now. */
export const assess = (directory: string, needed: number): Effect.Effect<Assessment, StorageError> =>
  Effect.map(freeBytes(directory), (free) => ({ _tag: free >= needed ? "Ok" : "Short", needed, free }))

/** One way to make room. `run` gives the bytes that it thinks it gave back, 0 for none; what counts is the free space, which is measured. */
export interface ReclaimStep {
  readonly name: string
  readonly run: Effect.Effect<number, unknown>
}

export interface Reclaimed {
  readonly enough: boolean
  readonly needed: number
  readonly free: number
  readonly freed: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
  readonly failed: ReadonlyArray<{ readonly name: string; readonly reason: string }>
}

const describe = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/**
 * Makes room step by step, cheapest loss first, and stops as soon as `needed` bytes are free; with an infinite need (a quota, which no
 * measure of free space shows) every step is taken. A step that fails is noted, and the next is tried.
 */
export const reclaim = Effect.fnUntraced(function*(directory: string, needed: number, steps: ReadonlyArray<ReclaimStep>): Effect.fn.Return<Reclaimed, StorageError> {
  let free = yield* freeBytes(directory)
  const freed: Array<{ readonly name: string; readonly bytes: number }> = []
  const failed: Array<{ readonly name: string; readonly reason: string }> = []
  for (const { name, run } of steps) {
    if (free >= needed) break
    const exit = yield* Effect.exit(run)
    const after = yield* freeBytes(directory)
    if (Exit.isFailure(exit)) failed.push({ name, reason: describe(exit.cause) })
    const given = Math.max(after - free, Exit.isSuccess(exit) ? exit.value : 0)
    if (given > 0) freed.push({ name, bytes: given })
    free = after
  }
  return { enough: free >= needed, needed, free, freed, failed }
})

/** Pauses between attempts while the disk refuses: 1 s, doubling, at most a minute; jittered, so that several runs on one disk do not meet. */
export const retrySchedule = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.jittered)
