/** What is logged of the steps since the last line: means of the losses, medians of the phases' seconds. */
import type { StepResult } from "../src/train/step.ts"
import * as LossSums from "./loss-sums.ts"

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

export class StepLog {
  readonly #imagesPerStep: number
  #steps: Array<StepResult> = []

  constructor(imagesPerStep: number) {
    this.#imagesPerStep = imagesPerStep
  }

  get empty(): boolean {
    return this.#steps.length === 0
  }

  add(step: StepResult): void {
    this.#steps.push(step)
  }

  /** Empties the log. Losses that were off are null. */
  flush() {
    const steps = this.#steps
    this.#steps = []
    const means = LossSums.means(steps.reduce<LossSums.LossSums>(LossSums.added, LossSums.none))
    const last = steps.at(-1)
    const phases = Object.keys(last?.seconds ?? {})
    const seconds = Object.fromEntries(phases.map((phase) => [phase, median(steps.map((step) => step.seconds[phase] ?? 0))]))
    const whole = median(steps.map((step) => Object.values(step.seconds).reduce((sum, value) => sum + value, 0)))
    return {
      total: means["total"] ?? Number.NaN, rec: means["rec"] ?? Number.NaN, lpips: means["lpips"] ?? null, gan: means["gan"] ?? null, disc: means["disc"] ?? null,
      weight: means["weight"] ?? null, lr: last?.lr ?? 0, grad_norm: last?.gradNorm ?? null, images_per_second: whole === 0 ? 0 : this.#imagesPerStep / whole, seconds
    }
  }
}
