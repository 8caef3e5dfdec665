/** `rae eval`: finds weights, images and reference, has a process of its own measure, and prints the figures. */
import { existsSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { deviceInEngine } from "../../actors/engine-environment.ts"
import { type Evaluated, type EvaluationLine, type EvaluationRequest, type Metric, metricNames } from "../../actors/evaluation-request.ts"
import { nearest } from "../config/nearest.ts"
import { shownPath } from "../config/places.ts"
import { requiredFiles } from "../config/required-files.ts"
import type { RunConfig } from "../config/schema.ts"
import { layOut } from "../formats/text-table.ts"
import { type AutoencoderTarget, findAutoencoder } from "./autoencoder-target.ts"
import type { EvalInput } from "./eval-command.ts"
import { ProcessFailed, startNative } from "./native-process.ts"
import { count, figure, span } from "./quantities.ts"
import { harmless, type Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"
import { openWorkProgress, type WorkProgress } from "./work-progress.ts"

type Flags = EvalInput["values"]

const batchSize = 16
/** Inception's features: a covariance of fewer images than these has less than full rank. */
const features = 2048

const isMetric = (name: string): name is Metric => (metricNames as ReadonlyArray<string>).includes(name)
const metricsOf = (given: string): ReadonlyArray<Metric> => {
  const names = given.split(",").map((name) => name.trim())
  for (const name of names) {
    if (isMetric(name)) continue
    const near = nearest(name, metricNames)
    throw new UsageError(`\`--metrics\`: unknown metric \`${name}\``, near === undefined ? `metrics are ${metricNames.join(", ")}, with commas between` : `did you mean \`${near}\`?`)
  }
  return metricNames.filter((name) => names.includes(name))
}

const kindOf = (path: string): "folder" | "npz" | null => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? null : found.isDirectory() ? "folder" : "npz"
}

const referenceOf = (given: string | undefined, config: RunConfig, terminal: Terminal): EvaluationRequest["reference"] => {
  const path = given ?? config.eval.reference_npz_path
  if (path === null) return { kind: "own" }
  const kind = kindOf(path)
  if (kind !== null) return { kind, path: resolve(path) }
  if (given !== undefined) throw new UsageError(`no reference ${given}: neither a file nor a folder`, "an npz of images (`arr_0`) or of moments (`mu`, `sigma`), or a folder of images")
  terminal.err(`note: ${path} (eval.reference_npz_path) is not there: rfid compares with the images themselves`)
  return { kind: "own" }
}

/** The config with these metrics and no others, so that it names the files that they need. */
const measuring = (config: RunConfig, metrics: ReadonlyArray<Metric>): RunConfig => ({ ...config, eval: { ...config.eval, metrics } })

/** Inception's file; null where it is drawn. Throws UsageError where a file of the metrics' networks is missing. */
const requireNetworks = (config: RunConfig, inception: string | undefined): string | null => {
  const { metrics } = config.eval
  if (inception !== undefined && !existsSync(inception)) throw new UsageError(`Inception network of rFID: no file ${inception}`, "--inception names the published file; without it, it is looked for by its name")
  const wanted = [...(metrics.includes("lpips") ? ["lpips."] : []), ...(metrics.includes("rfid") && inception === undefined ? ["eval.metrics"] : [])]
  const files = requiredFiles(config).filter(({ key }) => wanted.some((prefix) => key.startsWith(prefix)))
  const missing = files.find(({ path }) => !existsSync(path))
  if (missing !== undefined) {
    throw new UsageError(`${missing.what}: no file ${shownPath(missing.path)}`, `published: ${missing.published}; put it there, name its directory with --models-dir, or leave it out of --metrics`)
  }
  return inception === undefined ? files.find(({ key }) => key === "eval.metrics")?.path ?? null : resolve(inception)
}

const momentsFile = (given: string | undefined, metrics: ReadonlyArray<Metric>): string | null => {
  if (given === undefined) return null
  if (!metrics.includes("rfid")) throw new UsageError("--save-moments goes with the metric rfid", "--metrics rfid")
  if (kindOf(dirname(given)) !== "folder") throw new UsageError(`no folder ${dirname(given)} to write ${given} into`)
  return resolve(given)
}

const run = async (request: EvaluationRequest, userDevice: string, progress: WorkProgress): Promise<Evaluated> => {
  const child = startNative<EvaluationLine>("evaluation.ts", userDevice, request)
  let began = performance.now()
  let what: string | null = null
  let result: Evaluated | null = null
  for await (const line of child.lines) {
    switch (line.kind) {
      case "failed": throw new ProcessFailed(line.failure)
      case "done": result = line.result; break
      case "began": progress.tell(`${count(line.images)} images`); break
      case "unreadable": progress.tell(`not read: ${harmless(line.path)}: ${harmless(line.reason)}`); break
      case "progress": {
        // the first batch of either kind tells no speed
        const speed = what === line.what ? line.done / ((performance.now() - began) / 1000) : null
        if (what !== line.what) began = performance.now()
        what = line.what
        progress.show({ what: line.what, done: line.done, of: line.of, speed })
      }
    }
  }
  const ended = await child.ended
  if (result === null) throw new ProcessFailed({ tag: "ProcessEnded", message: `the process that computes ended: ${ended}`, help: null, exitCode: 1 })
  return result
}

const shown: { readonly [M in Metric]: (value: number) => string } = {
  psnr: (value) => `${value.toFixed(2)} dB`, ssim: (value) => value.toFixed(4), lpips: (value) => value.toFixed(4), rfid: (value) => (value < 0.1 ? figure(value) : value.toFixed(3))
}

const closing = ({ name, source, step }: AutoencoderTarget, { drawn, images, metrics, reference, seconds, size, unreadable }: Evaluated): ReadonlyArray<string> => [
  [
    step === null ? name : `${name} at step ${count(step)}, ${source.weights === "ema" ? "moving average" : "weights under training"}`,
    `${count(images)} images of ${size} pixels in ${span(seconds)} (${figure(images / seconds)} img/s)`,
    ...(unreadable.length === 0 ? [] : [`${count(unreadable.length)} left out, which cannot be read`])
  ].join(", "),
  ...(reference === null ? [] : [`rfid compares with ${reference.path === null ? "the images themselves" : `${reference.images === null ? "the moments" : `${count(reference.images)} images`} of ${shownPath(reference.path)}`}`]),
  ...(metrics.rfid === null || images >= features ? [] : [`note: rfid of few images is larger than of many; it compares with that of ${count(images)} images alone`]),
  ...(drawn.length === 0 ? [] : [`note: random weights in ${drawn.join(", ")}: a trial, no figures to keep`])
]

export const evaluate = async ({ operand: target = "", values }: EvalInput, terminal: Terminal): Promise<number> => {
  const found = await findAutoencoder(target, values)
  const metrics = values.metrics === undefined ? found.source.config.eval.metrics : metricsOf(values.metrics)
  const config = measuring(found.source.config, metrics)
  const data = values.data ?? config.eval.data_path
  if (data === null) throw new UsageError("no images to evaluate on", "give a folder of images: --data DIR")
  const request: EvaluationRequest = {
    autoencoder: { ...found.source, config }, data: resolve(data), images: values.images ?? null, metrics,
    reference: metrics.includes("rfid") ? referenceOf(values.reference, config, terminal) : rejectReference(values),
    inception: requireNetworks(config, values.inception), saveMoments: momentsFile(values["save-moments"], metrics),
    batchSize: values.batch ?? batchSize, device: deviceInEngine(found.device) as EvaluationRequest["device"]
  }
  const progress = openWorkProgress(terminal)
  let result: Evaluated
  try {
    result = await run(request, found.device, progress)
  } finally {
    progress.close()
  }
  if (values.json) terminal.out(JSON.stringify(document(found, request, result)))
  else for (const line of layOut([{ title: "metric" }, { title: "value", align: "right" }], metrics.map((metric) => [metric, shown[metric](result.metrics[metric] ?? NaN)]))) terminal.out(line)
  for (const line of closing(found, result)) terminal.err(line)
  return 0
}

const rejectReference = ({ reference }: Flags): EvaluationRequest["reference"] => {
  if (reference !== undefined) throw new UsageError("--reference goes with the metric rfid", "--metrics rfid")
  return { kind: "own" }
}

const document = ({ name, source, step }: AutoencoderTarget, { data, saveMoments }: EvaluationRequest, result: Evaluated) => ({
  schema: 1, from: { name, step, weights: source.weights }, data, size: result.size, images: result.images, unreadable: result.unreadable, metrics: result.metrics,
  reference: result.reference, moments: saveMoments, random_weights: result.drawn, seconds: result.seconds, images_per_second: result.images / result.seconds
})
