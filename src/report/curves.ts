/** A run's curves over its steps, folded from its events. Where a run went back to an earlier step, what it did since replaces what it had done. */
import type { LogRecord } from "../runtime/segments.ts"
import { number, string } from "./fields.ts"

export interface Curve {
  readonly steps: Array<number>
  readonly values: Array<number>
}
export interface Evaluation {
  readonly step: number
  readonly time: string
  readonly psnr: number | null
  readonly ssim: number | null
  readonly lpips: number | null
}
export interface Restart {
  /** The step that it had reached, and who went down. */
  readonly step: number
  readonly actor: string
}
export interface Curves {
  readonly train: Readonly<Record<string, Curve>>
  readonly evaluations: ReadonlyArray<Evaluation>
  readonly restarts: ReadonlyArray<Restart>
}

/** In the order in which they are shown. */
export const trainCurves = ["total", "rec", "lpips", "gan", "disc", "weight", "lr", "grad_norm", "images_per_second"] as const

/** Goes on from what was folded before, if that is given. */
export const makeCurves = (before: Curves = { train: {}, evaluations: [], restarts: [] }) => {
  const train: Record<string, Curve> = { ...before.train }
  let evaluations = [...before.evaluations]
  const restarts = [...before.restarts]
  let reached = train["total"]?.steps.at(-1) ?? 0

  const put = (name: string, step: number, value: number) => {
    const curve = train[name] ??= { steps: [], values: [] }
    while ((curve.steps.at(-1) ?? -1) >= step) {
      curve.steps.pop()
      curve.values.pop()
    }
    curve.steps.push(step)
    curve.values.push(value)
  }

  return {
    apply: (event: LogRecord): void => {
      const step = number(event, "step")
      switch (event["type"]) {
        case "train.step": {
          if (step === null) break
          reached = step
          for (const name of trainCurves) {
            const value = number(event, name)
            if (value !== null) put(name, step, value)
          }
          break
        }
        case "eval.finished": {
          if (step === null) break
          evaluations = [...evaluations.filter((each) => each.step < step), { step, time: event.time, psnr: number(event, "psnr"), ssim: number(event, "ssim"), lpips: number(event, "lpips") }]
          break
        }
        case "supervisor.child_down": restarts.push({ step: reached, actor: string(event, "offender") ?? "n/a" }); break
        default: break
      }
    },
    curves: (): Curves => ({ train, evaluations, restarts })
  }
}

/** Exponential mean that is not drawn to zero at its start, as TensorBoard's slider computes it; a value that is not finite is passed over. */
export const smoothed = (values: ReadonlyArray<number>, weight: number): ReadonlyArray<number> => {
  let mean = 0, seen = 0
  return values.map((value) => {
    if (!Number.isFinite(value)) return value
    mean = mean * weight + (1 - weight) * value
    seen++
    return mean / (1 - weight ** seen)
  })
}

/** At most about `most` points: of each stretch the lowest and the highest, so that no spike is lost. */
export const thinned = ({ steps, values }: Curve, most: number): Curve => {
  if (steps.length <= most) return { steps, values }
  const stretches = Math.floor(most / 2)
  const kept = new Set<number>([0, steps.length - 1])
  for (let s = 0; s < stretches; s++) {
    const [from, to] = [Math.floor((s * steps.length) / stretches), Math.floor(((s + 1) * steps.length) / stretches)]
    let low = from, high = from
    for (let i = from; i < to; i++) {
      if (!Number.isFinite(values[i]!)) kept.add(i)
      if (values[i]! < values[low]!) low = i
      if (values[i]! > values[high]!) high = i
    }
    kept.add(low).add(high)
  }
  const indices = [...kept].sort((a, b) => a - b)
  return { steps: indices.map((i) => steps[i]!), values: indices.map((i) => values[i]!) }
}
