/** `rae reconstruct`: finds weights and images, has a process of its own do the work, and shows how it goes. */
import { statSync } from "node:fs"
import { resolve } from "node:path"
import { deviceInEngine } from "../../actors/engine-environment.ts"
import type { Reconstructed, ReconstructionLine, ReconstructionRequest } from "../../actors/image-reconstruction-request.ts"
import { type AutoencoderTarget, findAutoencoder } from "./autoencoder-target.ts"
import { ProcessFailed, startNative } from "./native-process.ts"
import { count, figure, span } from "./quantities.ts"
import type { ReconstructInput } from "./reconstruct-command.ts"
import { harmless, type Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"
import { openWorkProgress, type WorkProgress } from "./work-progress.ts"

const batchSize = 16
const signalCodes = { SIGINT: 130, SIGTERM: 143 } as const
type StopSignal = keyof typeof signalCodes

const imagesOf = (paths: ReadonlyArray<string>): ReconstructionRequest["images"] => {
  const [first] = paths
  if (first === undefined) throw new UsageError("missing IMAGES: one folder of images, or image files", "rae reconstruct photos val -o out")
  const folder = paths.find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)
  if (folder !== undefined && paths.length > 1) throw new UsageError(`\`${folder}\` is a folder, expected one folder alone, or image files`)
  // one name that is not there is most likely meant as a folder
  return folder !== undefined || (paths.length === 1 && statSync(first, { throwIfNoEntry: false }) === undefined)
    ? { kind: "folder", path: resolve(first) } : { kind: "files", paths: paths.map((path) => resolve(path)) }
}

/** Shows what the process says on its way. */
const listener = ({ show, tell }: WorkProgress) => {
  let images = 0, began = 0
  return (line: ReconstructionLine): void => {
    switch (line.kind) {
      case "began":
        images = line.images
        began = performance.now()
        return tell(`${count(line.images)} images${line.kept === 0 ? "" : `, ${count(line.kept)} are there already`}`)
      case "renamed": return tell(`shares its name: ${harmless(line.path)} becomes ${harmless(line.output)}`)
      case "unreadable": return tell(`skipped: ${harmless(line.path)}: ${harmless(line.reason)}`)
      case "progress": return show({ what: "images", done: line.done, of: images, speed: line.written === 0 ? null : line.written / ((performance.now() - began) / 1000) })
      case "packing": return show({ what: "npz", done: line.done, of: line.of, speed: null })
      default: return
    }
  }
}

type Last = Extract<ReconstructionLine, { readonly kind: "done" | "stopped" }>

/** Null where it was told to stop before it had begun. */
const run = async (request: ReconstructionRequest, userDevice: string, progress: WorkProgress, onSignal: (signal: StopSignal) => void): Promise<Last | null> => {
  const child = startNative<ReconstructionLine>("image-reconstruction-process.ts", userDevice, request)
  const hear = listener(progress)
  let asked = false
  const stop = (signal: StopSignal) => {
    if (asked) {
      child.signal("SIGKILL")
      process.exit(signalCodes[signal])
    }
    asked = true
    progress.tell(`${signal}: finishes the images at hand; again: stops now`)
    onSignal(signal)
    child.signal("SIGTERM")
  }
  const handlers = (Object.keys(signalCodes) as ReadonlyArray<StopSignal>).map((signal) => [signal, () => stop(signal)] as const)
  for (const [signal, handler] of handlers) process.on(signal, handler)
  try {
    let last: Last | null = null
    for await (const line of child.lines) {
      if (line.kind === "failed") throw new ProcessFailed(line.failure)
      if (line.kind === "done" || line.kind === "stopped") last = line
      else hear(line)
    }
    const ended = await child.ended
    if (last === null && !asked) throw new ProcessFailed({ tag: "ProcessEnded", message: `the process that computes ended: ${ended}`, help: "the same command goes on from where it was", exitCode: 1 })
    return last
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  }
}

const closing = (result: Reconstructed, values: ReconstructInput["values"]): ReadonlyArray<string> => [
  [
    `${count(result.written)} images of ${result.size} pixels in ${span(result.seconds)}${result.written === 0 ? "" : ` (${figure(result.written / result.seconds)} img/s)`}`,
    ...(result.kept === 0 ? [] : [`${count(result.kept)} were there already`]),
    ...(result.skipped.length === 0 ? [] : [`${count(result.skipped.length)} skipped, which cannot be read`])
  ].join(", "),
  ...(result.grid === null ? [] : [`${values.grid}: original, reconstruction and difference of ${result.grid < result.images ? `the first ${count(result.grid)} of ${count(result.images)}` : count(result.grid)} images`]),
  ...(result.npz === null ? [] : [`${values.npz}: arr_0, uint8 [${result.npz}, ${result.size}, ${result.size}, 3]`])
]

const document = (output: string, { name, source, step }: AutoencoderTarget, values: ReconstructInput["values"], result: Reconstructed | null, signal: StopSignal | null) => ({
  schema: 1, output, from: { name, step, weights: source.weights }, size: source.config.data.image_size,
  images: result?.images ?? null, written: result?.written ?? 0, kept: result?.kept ?? 0, skipped: result?.skipped ?? [], renamed: result?.renamed ?? [],
  grid: result?.grid == null || values.grid === undefined ? null : { path: resolve(values.grid), images: result.grid },
  npz: result?.npz == null || values.npz === undefined ? null : { path: resolve(values.npz), images: result.npz },
  seconds: result?.seconds ?? 0, signal
})

export const reconstruct = async ({ operands: [target = "", ...paths], values }: ReconstructInput, terminal: Terminal): Promise<number> => {
  if (values.output === undefined) throw new UsageError("missing -o DIR: the folder to write into")
  const found = await findAutoencoder(target, values)
  const output = resolve(values.output)
  const request: ReconstructionRequest = {
    autoencoder: found.source, from: { name: found.name, step: found.step }, images: imagesOf(paths), output,
    grid: values.grid === undefined ? null : resolve(values.grid), npz: values.npz === undefined ? null : resolve(values.npz),
    batchSize: values.batch ?? batchSize, device: deviceInEngine(found.device) as ReconstructionRequest["device"], fresh: values.fresh
  }
  const progress = openWorkProgress(terminal)
  if (found.step === null && found.source.config.weights.source === "random") progress.tell("random weights: a trial")
  let signal: StopSignal | null = null
  let last: Last | null
  try {
    last = await run(request, found.device, progress, (caught) => { signal = caught })
  } finally {
    progress.close()
  }
  const stopped = last?.kind !== "done"
  if (values.json) terminal.out(JSON.stringify(document(output, found, values, last?.result ?? null, stopped ? signal : null)))
  else if (!stopped) terminal.out(output)
  if (last !== null) for (const line of closing(last.result, values)) terminal.err(line)
  if (stopped) {
    terminal.err(last === null ? "interrupted before it began" : `interrupted after ${count(last.result.written + last.result.kept)} of ${count(last.result.images)} images`)
    terminal.err("  = help: the same command goes on from there")
    return signalCodes[signal ?? "SIGINT"]
  }
  return last !== null && last.result.skipped.length > 0 ? 1 : 0
}
