/**
 * Where a run's time went, folded from its events: the phases of the step, evaluation, snapshots, recovery, and steps that were redone.
 *
 * A phase's seconds are its median over a log interval times the steps of that interval, so the sums are estimates and say so.
 */
import type { LogRecord } from "../runtime/segments.ts"
import { number, numbers } from "./fields.ts"

export interface TimeSpent {
  /** Steps trained, redone ones included. */
  readonly steps: number
  readonly redone_steps: number
  /** Seconds by phase of the step, summed over those steps. */
  readonly phases: Readonly<Record<string, number>>
  readonly redone_seconds: number
  readonly evaluating_seconds: number
  /** The only stall that saving costs training: writing goes on beside it. */
  readonly snapshot_seconds: number
  readonly writing_seconds: number
  /** From the engine's end to the next one's being ready. */
  readonly recovering_seconds: number
  /** From each start of the run to its end, or to its last event. */
  readonly running_seconds: number
}

export const makeTimeSpent = () => {
  let steps = 0, redone = 0, redoneSeconds = 0, evaluating = 0, snapshots = 0, writing = 0, recovering = 0, running = 0
  const phases: Record<string, number> = {}
  /** The last step that was logged, the farthest one ever, and the one that the run goes on from. */
  let last = 0, farthest = 0
  /** What the training actors start again from when one of them fails. */
  let inMemory = 0
  let startedAt: number | null = null, lastAt = 0, downAt: number | null = null

  const step = (event: LogRecord, reached: number) => {
    const done = reached > last ? reached - last : 1
    const again = Math.max(0, Math.min(done, farthest - (reached - done)))
    const seconds = numbers(event, "seconds")
    const whole = Object.values(seconds).reduce((sum, each) => sum + each, 0)
    for (const [phase, each] of Object.entries(seconds)) phases[phase] = (phases[phase] ?? 0) + each * done
    steps += done
    redone += again
    redoneSeconds += again * whole
    last = reached
    farthest = Math.max(farthest, reached)
  }

  const end = () => {
    if (startedAt !== null) running += (lastAt - startedAt) / 1000
    startedAt = null
  }

  return {
    apply: (event: LogRecord): void => {
      const at = Date.parse(event.time)
      const seconds = number(event, "seconds") ?? 0
      switch (event["type"]) {
        case "run.started":
          // Again for each engine. Where the run was not ended before and the engine did not go down either, the supervisor died.
          if (startedAt !== null && downAt === null) end()
          startedAt ??= at
          last = number(event, "resumed_from") ?? 0
          break
        case "supervisor.child_down":
          if (event["offender"] === "engine") downAt = at
          if (event["strategy"] === "one-for-all") last = inMemory
          break
        case "engine.ready": inMemory = last = number(event, "step") ?? last; break
        case "train.step": {
          const reached = number(event, "step")
          if (reached !== null) step(event, reached)
          break
        }
        case "eval.finished": evaluating += seconds; break
        case "snapshot.taken":
          snapshots += seconds
          inMemory = number(event, "step") ?? inMemory
          break
        case "checkpoint.committed": writing += seconds; break
        default: break
      }
      if (downAt !== null && (event["type"] === "engine.ready" || event["type"] === "train.step")) {
        recovering += (at - downAt) / 1000
        downAt = null
      }
      lastAt = at
      if (event["type"] === "run.finished" || event["type"] === "run.stopped" || event["type"] === "run.failed") end()
    },
    spent: (): TimeSpent => ({
      steps, redone_steps: redone, phases: { ...phases }, redone_seconds: redoneSeconds, evaluating_seconds: evaluating, snapshot_seconds: snapshots, writing_seconds: writing,
      recovering_seconds: recovering, running_seconds: running + (startedAt === null ? 0 : (lastAt - startedAt) / 1000)
    })
  }
}
