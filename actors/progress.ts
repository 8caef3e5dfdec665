/** Where a run is: its place in the data, and the sums of the running epoch. */
import type { StepResult } from "../src/train/step.ts"
import type { Progress } from "./engine-protocol.ts"
import * as LossSums from "./loss-sums.ts"

export const beginning: Progress = { step: 0, epoch: 0, position: 0, counters: {}, sums: {}, counts: {}, last_epoch: {}, skipped: [] }

/** One step further; null for a step that was passed over, which counts in no mean. */
export const advanced = (progress: Progress, result: Pick<StepResult, "losses" | "weight"> | null, stepsPerEpoch: number): Progress => {
  const { counts, sums } = result === null ? progress : LossSums.added(progress, result)
  const at = { ...progress, step: progress.step + 1 }
  return progress.position + 1 === stepsPerEpoch
    ? { ...at, epoch: progress.epoch + 1, position: 0, ...LossSums.none, last_epoch: LossSums.means({ counts, sums }) }
    : { ...at, position: progress.position + 1, counts, sums }
}
