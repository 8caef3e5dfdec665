/**
 * What `rae reconstruct` does, in a process that computes: every image through encoder and decoder, to a PNG of its own; then the picture of some, and the npz.
 *
 * Decoding (in processes), computing (in libtorch's threads) and writing PNGs (in libuv's) overlap; at most two batches wait decoded and one is being
 * written. Nothing is made on disk before the first batch has been computed. What is written stays written: the next call goes on from there.
 */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { folderSource } from "../src/data/folder-source.ts"
import { samplePool } from "../src/data/sample-pool.ts"
import type { ImageSource, Sample } from "../src/data/source.ts"
import { readOriginals, type ReconstructionOptions, reconstructions } from "../src/eval/reconstruction.ts"
import { gridPicture, mostRows, type Row } from "../src/eval/reconstruction-grid.ts"
import { plainName } from "../src/eval/reconstruction-names.ts"
import { NpzWriter } from "../src/formats/npz-writer.ts"
import { toPixels } from "../src/models/image-space.ts"
import { requireDevice } from "../src/tensor/device.ts"
import { loadAutoencoder } from "./autoencoder.ts"
import type { Reconstructed, ReconstructionLine, ReconstructionRequest } from "./image-reconstruction-request.ts"
import { Refused } from "./process-failure.ts"
import { makeFolders, readPng, stored, writePng } from "./reconstruction-files.ts"
import { findPlace, type Place } from "./reconstruction-place.ts"
import { describe, differences, writeRecord } from "./reconstruction-record.ts"

/** Pictures read at once for the npz. */
const packedTogether = 64

/** Whoever asked: hears how it goes, and may want it to stop. */
export interface Asker {
  readonly say: (line: ReconstructionLine) => void
  readonly isStopped: () => boolean
}

/** All pixels of PNGs, in their order, as one array; null where it was told to stop. */
const writeNpz = async (path: string, files: ReadonlyArray<string>, size: number, { isStopped, say }: Asker): Promise<number | null> => {
  const writer = await stored("write", path, () => NpzWriter.create(path))
  try {
    await stored("write", path, () => writer.begin("arr_0", "uint8", [size, size, 3]))
    for (let from = 0; from < files.length; from += packedTogether) {
      const some = await Promise.all(files.slice(from, from + packedTogether).map((file) => readPng(file, size)))
      await stored("write", path, () => writer.append(Buffer.concat(some)))
      if (isStopped()) {
        await writer.discard()
        return null
      }
      say({ kind: "packing", done: Math.min(from + packedTogether, files.length), of: files.length })
    }
    await stored("write", path, () => writer.finish())
    return files.length
  } catch (cause) {
    await writer.discard()
    throw cause
  }
}

/** The first images that can still be read, each beside its PNG; how many they are. */
const writeGrid = async (path: string, indices: ReadonlyArray<number>, fileOf: (index: number) => string, source: ImageSource, size: number): Promise<number> => {
  const rows: Array<Row> = []
  for (const index of indices.slice(0, mostRows)) {
    const { pixels, samples } = await readOriginals(source, index, index + 1, size)
    if (samples.length > 0) rows.push({ original: pixels, reconstruction: await readPng(fileOf(index), size) })
  }
  const { height, rgb, width } = gridPicture(rows, size)
  await writePng(path, rgb, width, height)
  return rows.length
}

const refuseOther = (output: string, changed: ReadonlyArray<string>): void => {
  if (changed.length === 0) return
  throw new Refused([`${output} holds reconstructions made otherwise`, ...changed.map((line) => `  ${line}`)].join("\n"), "--fresh overwrites them, -o names another folder")
}

/** Images that a pass leaves with a PNG: indices, those of earlier calls too; and those that cannot be read. */
interface Passed {
  readonly there: ReadonlySet<number>
  readonly skipped: Reconstructed["skipped"]
  readonly seconds: number
}

/** One pass over all images that have no PNG yet. `begin` comes before the first is written. */
const pass = async ({ kept, names }: Place, { output }: ReconstructionRequest, computing: ReconstructionOptions, begin: () => Promise<void>, { isStopped, say }: Asker): Promise<Passed> => {
  const { size } = computing
  const bytes = size * size * 3
  const there = new Set(kept)
  const skipped: Array<Reconstructed["skipped"][number]> = []
  let hasBegun = false
  const write = async (samples: ReadonlyArray<Sample>, pixels: Uint8Array) => {
    if (!hasBegun) await begin()
    hasBegun = true
    const ends = await Promise.allSettled(samples.map(async ({ index }, at) => {
      if (!there.has(index)) await writePng(join(output, names[index]!), pixels.subarray(at * bytes, (at + 1) * bytes), size, size)
      there.add(index)
    }))
    for (const end of ends) if (end.status === "rejected") throw end.reason
    say({ kind: "progress", done: there.size + skipped.length, written: there.size - kept.size })
  }

  const started = performance.now()
  let writing = Promise.resolve()
  for await (const { samples, tensors, unreadable } of reconstructions({ ...computing, wanted: (index) => !kept.has(index) })) {
    for (const { index, path, reason } of unreadable) {
      if (there.has(index)) continue
      skipped.push({ path, reason })
      say({ kind: "unreadable", path, reason })
    }
    await writing
    if (tensors !== null) {
      writing = write(samples, toPixels(tensors.reconstructions))
      // a failure is seen when the next batch is there
      writing.catch(() => undefined)
    }
    if (isStopped()) break
  }
  await writing
  return { there, skipped, seconds: (performance.now() - started) / 1000 }
}

export type Ended = Extract<ReconstructionLine, { readonly kind: "done" | "stopped" }>

/** Rejects with what failureOf (process-failure.ts) knows. */
export const reconstructImages = async (request: ReconstructionRequest, asker: Asker): Promise<Ended> => {
  const { batchSize, device, fresh, grid, npz, output } = request
  const { data: { image_size: size }, training: { num_workers } } = request.autoencoder.config
  requireDevice(device)
  const place = await findPlace(request)
  const { earlier, images, kept, names } = place
  const source = folderSource(images, { seed: 0, cropsPerImage: null }, undefined, samplePool(num_workers))
  const autoencoder = loadAutoencoder(request.autoencoder, device)
  const madeFrom = describe(request, images, autoencoder)
  if (earlier !== null) refuseOther(output, differences(earlier, madeFrom))

  const renamed = names.flatMap((name, i) => (name === plainName(images.paths[i]!) ? [] : [{ path: images.paths[i]!, output: name }]))
  for (const each of renamed) asker.say({ kind: "renamed", ...each })
  asker.say({ kind: "began", images: names.length, kept: kept.size })
  /** What is overwritten goes first, so that a call that goes on from here takes none of it for its own. */
  const begin = async () => {
    if (fresh) for (const name of names) await stored("remove", join(output, name), () => rm(join(output, name), { force: true }))
    await makeFolders(output, names)
    await stored("write", output, () => writeRecord(output, madeFrom))
  }
  const { seconds, skipped, there } = await pass(place, request, { autoencoder, source, size, batchSize, device }, begin, asker)
  autoencoder.dispose()
  const result = { size, images: names.length, written: there.size - kept.size, kept: kept.size, skipped, renamed, seconds, grid: null, npz: null }
  if (there.size + skipped.length < names.length) return { kind: "stopped", result }
  if (there.size === 0) throw new Refused(`none of the ${names.length} images can be read`, "each is listed above with its reason")

  const complete = names.flatMap((_, index) => (there.has(index) ? [index] : []))
  const fileOf = (index: number) => join(output, names[index]!)
  const shown = grid === null ? null : await writeGrid(grid, complete, fileOf, source, size)
  const packed = npz === null ? null : await writeNpz(npz, complete.map(fileOf), size, asker)
  return { kind: npz !== null && packed === null ? "stopped" : "done", result: { ...result, grid: shown, npz: packed } }
}
