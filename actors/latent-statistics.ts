/**
 * The process behind `rae stats`: mean and variance of the latents over every image of a folder, centre-cropped, in the order of paths.
 *
 * One pass, the same bits every time. Every so many batches it leaves what it has beside its output; started again with the same request it
 * goes on from there, and ends with the same file.
 */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { crc32 } from "node:zlib"
import { folderSource } from "../src/data/folder-source.ts"
import { DataFolderInvalid, listImageFolder } from "../src/data/image-folder.ts"
import { samplePool } from "../src/data/sample-pool.ts"
import { readOriginals } from "../src/eval/reconstruction.ts"
import { encodeHeader } from "../src/formats/safetensors.ts"
import { layOutTorchFile } from "../src/formats/torch-writer.ts"
import { InvalidWeights } from "../src/models/check-weights.ts"
import { encoderSpec } from "../src/models/encoder.ts"
import { toImages } from "../src/models/image-space.ts"
import { LatentMoments } from "../src/models/latent-moments.ts"
import { requireDevice } from "../src/tensor/device.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { dieWithParent } from "../src/tensor/heartbeat.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import { openSafetensors } from "../src/tensor/weights.ts"
import { FrozenEncoder } from "../src/train/frozen-encoder.ts"
import type { StatisticsLine, StatisticsRequest } from "./latent-statistics-request.ts"
import { filesOf, hashWeights, initialWeights } from "./role-weights.ts"

const batch = 16

class Failed extends Error {
  readonly help: string
  constructor(message: string, help: string) {
    super(message)
    this.help = help
  }
}

const say = (line: StatisticsLine): void => { process.stdout.write(`${JSON.stringify(line)}\n`) }

/** Durable and whole, or not there: written beside and renamed. */
const writeWhole = async (path: string, pieces: ReadonlyArray<{ readonly at: number; readonly bytes: Uint8Array }>): Promise<void> => {
  const beside = `${path}.new`
  await rm(beside, { force: true })
  {
    await using file = await open(beside, "wx")
    for (const { at, bytes } of pieces) await file.write(bytes, 0, bytes.length, at)
    await file.sync()
  }
  await rename(beside, path)
}

interface Place {
  /** Names the request: another config, weights or folder does not go on from this. */
  readonly key: string
  /** The next image. */
  readonly next: number
  readonly unreadable: number
}

const save = async (path: string, { key, next, unreadable }: Place, moments: LatentMoments): Promise<void> => {
  const { mean, squares } = moments.state()
  const { bytes, tensors } = encodeHeader(Object.entries({ mean, squares }).map(([name, { shape }]) => ({ name, dtype: "F64", shape })),
    { key, next: String(next), count: String(moments.count), unreadable: String(unreadable) })
  await writeWhole(path, [{ at: 0, bytes }, { at: tensors[0]!.begin, bytes: T.toBytes(mean) }, { at: tensors[1]!.begin, bytes: T.toBytes(squares) }])
}

/** What an earlier process left, where it is of the same request. */
const saved = (path: string, key: string): { readonly place: Place; readonly moments: LatentMoments } | null => {
  if (!existsSync(path)) return null
  using file = openSafetensors(path)
  const number = (name: string) => Number(file.metadata.get(name))
  if (file.metadata.get("key") !== key) return null
  return { place: { key, next: number("next"), unreadable: number("unreadable") }, moments: new LatentMoments(number("count"), file.read("mean"), file.read("squares")) }
}

const compute = async ({ config, data, device, output, saveEvery }: StatisticsRequest): Promise<void> => {
  requireDevice(device)
  const { architecture: { encoder }, data: { image_size: size, max_corrupt }, stage_1: { params }, training } = config
  const folder = await listImageFolder(data)
  const source = folderSource(folder, { seed: 0, cropsPerImage: null }, undefined, samplePool(training.num_workers))
  const weights = initialWeights(encoderSpec(encoder), filesOf(config, "stage_1.params.encoder"), training.global_seed, device)
  const key = createHash("sha256").update(JSON.stringify([hashWeights(weights), encoder, params.encoder_input_size, size, batch, folder.paths])).digest("hex")
  const frozen = new FrozenEncoder({ config: encoder, weights, precision: "fp32", inputSize: params.encoder_input_size, statistics: null })

  const partial = `${output}.partial`
  const earlier = saved(partial, key)
  if (earlier !== null) say({ kind: "resumed", done: earlier.place.next, of: source.count })
  const moments = earlier?.moments ?? LatentMoments.empty((params.encoder_input_size / encoder.patch_size) ** 2, encoder.hidden_size)
  let unreadable = earlier?.place.unreadable ?? 0
  for (let from = earlier?.place.next ?? 0; from < source.count; from += batch) {
    const to = Math.min(from + batch, source.count)
    const { pixels, samples, unreadable: unread } = await readOriginals(source, from, to, size)
    for (const { path, reason } of unread) say({ kind: "unreadable", path, reason })
    unreadable += unread.length
    if (unreadable > max_corrupt) throw new Failed(`${unreadable} images cannot be read, at most ${max_corrupt} may be (data.max_corrupt)`, "mend the folder, or raise the limit")
    if (samples.length > 0) scope(() => moments.add(frozen.features(toImages(pixels, samples.length, size, device), batch)))
    if (to < source.count && (to / batch) % saveEvery === 0) await save(partial, { key, next: to, unreadable }, moments)
    say({ kind: "progress", done: to, of: source.count })
  }
  if (moments.count === 0) throw new Failed(`none of the ${source.count} images of ${data} can be read`, "check the folder")

  const statistics = moments.statistics()
  const named = Object.entries(statistics).map(([name, { shape }]) => ({ name, dtype: "F32" as const, shape }))
  const numbers = Object.values(statistics).map((tensor) => T.toBytes(tensor))
  const { rest, storages } = layOutTorchFile(named, crc32)
  await writeWhole(output, [...storages.map(({ begin }, i) => ({ at: begin, bytes: numbers[i]! })), ...rest(numbers.map((bytes) => crc32(bytes)))])
  await rm(partial, { force: true })
  say({ kind: "done", path: output, images: moments.count, shape: statistics.mean.shape })
}

const failure = (cause: unknown): StatisticsLine => {
  if (cause instanceof Failed || cause instanceof DataFolderInvalid) return { kind: "failed", reason: cause.message, help: cause.help }
  if (cause instanceof InvalidWeights || cause instanceof TensorError) return { kind: "failed", reason: cause.message, help: "the encoder's files are those of its published directory" }
  return { kind: "failed", reason: cause instanceof Error ? cause.message : String(cause), help: "RAE_DEBUG=1 shows where it comes from" }
}

dieWithParent()
try {
  await compute(JSON.parse(readFileSync(0, "utf8")) as StatisticsRequest)
  // image threads would keep the process alive
  process.exit(0)
} catch (cause) {
  say(failure(cause))
  process.exit(1)
}
