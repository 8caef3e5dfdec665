/**
 * Images a second of evaluation beside encoder and decoder alone: the same batches from memory, from JPEG files that are decoded beside the
 * computing, and with each metric. All in one process, in turn, as often as `--rounds`; medians.
 */
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import sharp from "sharp"
import { loadAutoencoder } from "../actors/autoencoder.ts"
import { loadStudy } from "../src/config/load.ts"
import { drawnSource } from "../src/data/drawn-source.ts"
import { folderSource } from "../src/data/folder-source.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import { samplePool } from "../src/data/sample-pool.ts"
import { reconstruct } from "../src/eval/autoencoder.ts"
import { type Instruments, Measurement } from "../src/eval/measurement.ts"
import { readOriginals, reconstructions } from "../src/eval/reconstruction.ts"
import { toImages } from "../src/models/image-space.ts"
import { Inception, inceptionSpec } from "../src/models/inception.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { randomWeights } from "../src/models/random-weights.ts"
import { frozenWeights } from "../src/nn/working-copies.ts"
import { libtorchVersion, requireDevice, synchronize, threads } from "../src/tensor/device.ts"
import { keep, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { Values } from "./main.ts"

/** A photograph as data sets have them. */
const drawnSide = 512
const jpegQuality = 92

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Pictures drawn by the program as JPEG files in a folder. */
const writePictures = async (dir: string, count: number): Promise<void> => {
  const source = drawnSource(count, "training", { seed: 0, cropsPerImage: null })
  for (let i = 0; i < count; i++) {
    const { pixels } = await source.evaluation(i, drawnSide)
    await sharp(pixels, { raw: { width: drawnSide, height: drawnSide, channels: 3 } }).jpeg({ quality: jpegQuality }).toFile(join(dir, `${String(i).padStart(6, "0")}.jpg`))
  }
}

export const run = async (values: Values): Promise<void> => {
  const batchSize = Number(values.batch)
  const count = batchSize * Number(values.steps)
  const { variants: [{ config }] } = await Effect.runPromise(loadStudy(values.config, { profile: values.profile, randomWeights: true, sets: [`training.precision=${values.precision}`] }))
  const device = values.device as "cpu" | `cuda:${number}`
  requireDevice(device)
  const { architecture: { vgg }, data: { image_size: size }, training: { num_workers } } = config
  const dir = values.dir ?? mkdtempSync(join(tmpdir(), "rae-bench-eval-"))
  try {
    if (values.dir === undefined) await writePictures(dir, count)
    const { paths, root } = await listImageFolder(dir)
    const source = folderSource({ paths, root }, { seed: 0, cropsPerImage: null }, paths.slice(0, count), samplePool(num_workers))
    const autoencoder = loadAutoencoder({ config, checkpoint: null, weights: "ema" }, device)
    const lpips = frozenWeights(lpipsSpec(vgg), randomWeights(lpipsSpec(vgg), 0), "fp32")
    const inception = new Inception(randomWeights(inceptionSpec(), 0))

    const batches: Array<Tensor> = []
    for (let from = 0; from < source.count; from += batchSize) {
      const { pixels, samples } = await readOriginals(source, from, Math.min(from + batchSize, source.count), size)
      if (samples.length > 0) batches.push(keep(toImages(pixels, samples.length, size, device)))
    }
    const fromMemory = () => {
      for (const images of batches) scope(() => { reconstruct(autoencoder, images) })
      return Promise.resolve()
    }
    const fromFiles = (instruments: Instruments | null) => async () => {
      const measurement = instruments === null ? null : new Measurement(instruments)
      for await (const { tensors } of reconstructions({ autoencoder, source, size, batchSize, device })) if (tensors !== null) measurement?.add(tensors.images, tensors.reconstructions)
      measurement?.dispose()
    }
    const ways = {
      "encoder and decoder alone": fromMemory,
      "images from files": fromFiles(null),
      "with psnr, ssim": fromFiles({ lpips: null, rfid: null }),
      "with psnr, ssim, lpips": fromFiles({ lpips, rfid: null }),
      "with psnr, ssim, rfid": fromFiles({ lpips: null, rfid: { inception, reference: null } })
    }
    await fromMemory() // warms allocator, primitives and caches
    const seconds = new Map(Object.keys(ways).map((name) => [name, [] as Array<number>]))
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, way] of Object.entries(ways)) {
        const started = performance.now()
        await way()
        synchronize(device)
        seconds.get(name)!.push((performance.now() - started) / 1000)
      }
    }
    const rates = Object.fromEntries([...seconds].map(([name, each]) => [name, source.count / median(each)]))
    const alone = rates["encoder and decoder alone"]!
    if (values.json) process.stdout.write(`${JSON.stringify({ images_per_second: rates, images: source.count, batch: batchSize, libtorch: libtorchVersion(), threads: threads() })}\n`)
    else {
      process.stdout.write([
        ...Object.entries(rates).map(([name, rate]) => `${name.padEnd(27)} ${rate.toFixed(2).padStart(8)} images/s  ${(100 * rate / alone).toFixed(0).padStart(4)} %`), "",
        `${source.count} images of ${size} pixels from files of ${values.dir ?? `${drawnSide} pixels (JPEG)`}, batch ${batchSize}, median of ${values.rounds} rounds`,
        `libtorch ${libtorchVersion()}, ${threads()} threads, ${values.device}, ${values.profile} ${values.precision}`, ""
      ].join("\n"))
    }
  } finally {
    if (values.dir === undefined) rmSync(dir, { recursive: true, force: true })
  }
}
