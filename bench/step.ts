/** Seconds per phase of the training step that `rae run` makes, over plain objects: medians, rate and peak memory. */
import * as Effect from "effect/Effect"
import { makeFrozen } from "../actors/engine-load.ts"
import { TrainingState } from "../actors/training-state.ts"
import { setup } from "../actors/training-setup.ts"
import { loadStudy } from "../src/config/load.ts"
import { gpuMemory, libtorchVersion, peakBytes, requireDevice, synchronize, threads } from "../src/tensor/device.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import { direct, runDirect } from "../src/train/direct.ts"
import { drawsFor } from "../src/train/draws.ts"
import { trainStep } from "../src/train/step.ts"
import type { Values } from "./main.ts"
import { stepFlops } from "./step-flops.ts"

export interface StepTimes {
  /** Median seconds by phase, `total` too. */
  readonly seconds: Readonly<Record<string, number>>
  readonly images_per_second: number
  readonly tflops: number
  readonly teraflop: number
  readonly peak_gb: number
  /** Of tensors on the GPU; null on the CPU. */
  readonly peak_gpu_gb: number | null
  readonly libtorch: string
  readonly threads: number
  readonly environment: Readonly<Record<string, string>>
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** What decides speed, as it is set. */
const environment = (): Record<string, string> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(OMP_|GOMP_|OPENBLAS_|ATEN_|MKL_|MALLOC_|ONEDNN_|DNNL_|LIBTORCH)/.test(name)) as Array<[string, string]>)

export const measure = async (values: Values): Promise<StepTimes> => {
  const batch = Number(values.batch)
  const { variants: [{ config }] } = await Effect.runPromise(loadStudy(values.config, {
    profile: values.profile, randomWeights: true, sets: [`training.precision=${values.precision}`, `training.batch_size=${batch}`, `training.global_batch_size=${batch}`]
  }))
  const device = values.device as "cpu" | `cuda:${number}`
  requireDevice(device)
  const plan = setup(config, 1000)
  const frozen = makeFrozen(config, device)
  const roles = new TrainingState({ config, setup: plan, device, statistics: frozen.statistics }).initial()
  const { image_size: size } = config.data
  const tokens = (config.stage_1.params.encoder_input_size / config.architecture.encoder.patch_size) ** 2
  const one = (step: number) => scope(() => {
    const images = T.to(T.randomUniform([step, 0, 0, 0], [batch, 3, size, size]), { device })
    const draws = drawsFor({
      seed: 0, step, samples: Array.from({ length: batch }, (_, i) => i), tokens, width: config.architecture.encoder.hidden_size,
      noiseTau: config.stage_1.params.noise_tau, discUpdates: config.gan.loss.disc_updates
    })
    const started = performance.now()
    const { seconds } = runDirect(trainStep(direct({ ...roles, encoder: frozen.encoder, reconstruction: frozen.reconstruction }), { images, latents: null, draws }, plan.allPhases, plan.hyperparameters))
    synchronize(device) // a GPU works behind: only the total is exact there, a phase ends when its work is handed out
    return { ...seconds, total: (performance.now() - started) / 1000 } as Record<string, number>
  })
  one(0) // warms allocator, primitives and caches
  const steps = Array.from({ length: Number(values.steps) }, (_, i) => one(i + 1))
  const seconds = Object.fromEntries(Object.keys(steps[0] ?? {}).map((phase) => [phase, median(steps.map((step) => step[phase] ?? 0))]))
  const total = seconds["total"] ?? Number.NaN
  const teraflop = stepFlops(config, batch) / 1e12
  return { seconds, images_per_second: batch / total, tflops: teraflop / total, teraflop, peak_gb: peakBytes() / 1e9, peak_gpu_gb: device === "cpu" ? null : gpuMemory(device).peak / 1e9, libtorch: libtorchVersion(), threads: threads(), environment: environment() }
}

export const run = async (values: Values): Promise<void> => {
  const times = await measure(values)
  if (values.json) {
    process.stdout.write(`${JSON.stringify(times)}\n`)
    return
  }
  const lines = Object.entries(times.seconds).map(([phase, seconds]) => `${phase.padEnd(22)} ${seconds.toFixed(3)} s`)
  process.stdout.write([
    ...lines, "",
    `${times.images_per_second.toFixed(3)} images/s, ${times.teraflop.toFixed(2)} TFLOP a step, ${times.tflops.toFixed(2)} TFLOP/s, peak ${times.peak_gb.toFixed(2)} GB${times.peak_gpu_gb === null ? "" : `, on the GPU ${times.peak_gpu_gb.toFixed(2)} GB`}`,
    `libtorch ${times.libtorch}, ${times.threads} threads, ${values.device}, ${values.profile} ${values.precision}, batch ${values.batch}, median of ${values.steps} steps`,
    Object.entries(times.environment).map(([name, value]) => `${name}=${value}`).join(" "), ""
  ].join("\n"))
}
