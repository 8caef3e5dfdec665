/**
 * The process behind `rae eval`: every image of a folder through encoder and decoder, and how near the results are.
 *
 * Images are decoded in processes of their own while libtorch's threads compute. Nothing is written but the moments, where they are asked for.
 */
import { readFileSync } from "node:fs"
import { folderSource } from "../src/data/folder-source.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import { samplePool } from "../src/data/sample-pool.ts"
import { type Instruments, Measurement } from "../src/eval/measurement.ts"
import { reconstructions } from "../src/eval/reconstruction.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { frozenWeights } from "../src/nn/working-copies.ts"
import { requireDevice } from "../src/tensor/device.ts"
import { dieWithParent } from "../src/tensor/heartbeat.ts"
import { loadAutoencoder } from "./autoencoder.ts"
import type { Evaluated, EvaluationLine, EvaluationRequest } from "./evaluation-request.ts"
import { loadInception } from "./inception-weights.ts"
import { failureOf, Refused } from "./process-failure.ts"
import { momentsOfReference, openReference, type ReferenceMoments, writeMoments } from "./reference-moments.ts"
import { filesOf, initialWeights } from "./role-weights.ts"

const say = (line: EvaluationLine): void => { process.stdout.write(`${JSON.stringify(line)}\n`) }

/** Networks that no file holds, nor a checkpoint. */
const drawnNetworks = ({ autoencoder: { checkpoint, config }, inception, metrics }: EvaluationRequest): ReadonlyArray<string> => [
  ...(filesOf(config, "stage_1.params.encoder").length === 0 ? ["encoder"] : []),
  ...(checkpoint === null && filesOf(config, "stage_1.ckpt", "stage_1.params.pretrained_decoder_path").length === 0 ? ["decoder"] : []),
  ...(metrics.includes("lpips") && filesOf(config, "lpips.").length === 0 ? ["lpips"] : []),
  ...(metrics.includes("rfid") && inception === null ? ["inception"] : [])
]

const work = async (request: EvaluationRequest): Promise<Evaluated> => {
  const { autoencoder: wanted, batchSize, data, device, images: most, metrics, reference, saveMoments } = request
  const { config } = wanted
  const { data: { image_size: size }, training: { global_seed: seed, num_workers } } = config
  requireDevice(device)
  const make = samplePool(num_workers)
  const listed = await listImageFolder(data)
  const source = folderSource(listed, { seed: 0, cropsPerImage: null }, most === null ? listed.paths : listed.paths.slice(0, most), make)
  const measured = (metric: EvaluationRequest["metrics"][number]) => metrics.includes(metric)
  if (measured("rfid") && source.count < 2) throw new Refused(`${source.count} image of ${data}, expected at least 2: rfid compares covariances`, "leave rfid out of --metrics, or give more images")
  const opened = measured("rfid") && reference.kind !== "own" ? await openReference(reference, size, make, device) : null

  const autoencoder = loadAutoencoder(wanted, device)
  const inception = measured("rfid") ? loadInception(config, device, request.inception === null ? [] : [request.inception]) : null
  const lpips = measured("lpips") ? frozenWeights(lpipsSpec(config.architecture.vgg), initialWeights(lpipsSpec(config.architecture.vgg), filesOf(config, "lpips."), seed, device), "fp32") : null

  const started = performance.now()
  say({ kind: "began", images: source.count })
  const given: ReferenceMoments | null = opened === null || inception === null ? null
    : await momentsOfReference(opened, inception, { device, batchSize, say: (done, of) => say({ kind: "progress", what: "reference", done, of }) })
  const instruments: Instruments = { lpips, rfid: inception === null ? null : { inception, reference: given?.moments ?? null } }
  const measurement = new Measurement(instruments)
  const unreadable: Array<{ readonly path: string; readonly reason: string }> = []
  let done = 0
  for await (const batch of reconstructions({ autoencoder, source, size, batchSize, device })) {
    for (const { path, reason } of batch.unreadable) {
      unreadable.push({ path, reason })
      say({ kind: "unreadable", path, reason })
    }
    if (batch.tensors !== null) measurement.add(batch.tensors.images, batch.tensors.reconstructions)
    done += batch.samples.length + batch.unreadable.length
    say({ kind: "progress", what: "images", done, of: source.count })
  }
  const images = source.count - unreadable.length
  if (images < (inception === null ? 1 : 2)) throw new Refused(`${images} of the ${source.count} images of ${data} can be read`, "each is listed above with its reason")
  const figures = measurement.figures()
  const seconds = (performance.now() - started) / 1000
  if (saveMoments !== null) await writeMoments(saveMoments, measurement.reference()!)
  return {
    size, images, unreadable,
    metrics: { psnr: measured("psnr") ? figures.psnr : null, ssim: measured("ssim") ? figures.ssim : null, lpips: figures.lpips, rfid: figures.rfid },
    reference: inception === null ? null : { path: reference.kind === "own" ? null : reference.path, images: reference.kind === "own" ? images : given?.images ?? null },
    drawn: drawnNetworks(request), seconds
  }
}

dieWithParent()
let last: EvaluationLine
try {
  last = { kind: "done", result: await work(JSON.parse(readFileSync(0, "utf8")) as EvaluationRequest) }
} catch (cause) {
  last = { kind: "failed", failure: failureOf(cause) }
}
// image processes would keep this one alive
process.stdout.write(`${JSON.stringify(last)}\n`, () => process.exit(0))
