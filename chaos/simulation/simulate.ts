/** Many schedules, one after another, each on a clock of its own. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import type { Strategy } from "../../src/runtime/supervision-event.ts"
import { play } from "./play.ts"
import { scheduleOf } from "./schedule.ts"

export interface Failure {
  readonly number: number
  readonly violations: ReadonlyArray<string>
}

/** Backoff is jittered: the schedule's own seed decides that too. */
const playOne = (seed: number, number: number, strategy: Strategy | undefined) =>
  Effect.runPromise(play(scheduleOf(seed, number), strategy).pipe(Random.withSeed(`${seed} ${number}`), Effect.provide(TestClock.layer())))

export const simulate = async (seed: number, numbers: ReadonlyArray<number>, strategy?: Strategy) => {
  const failures: Array<Failure> = []
  const summary = { schedules: 0, done: 0, gaveUp: 0, restarts: 0, engines: 0 }
  for (const number of numbers) {
    const { ended, engines, restarts, violations } = await playOne(seed, number, strategy)
    summary.schedules++
    if (ended === "done") summary.done++
    if (ended === "gave up") summary.gaveUp++
    summary.restarts += restarts
    summary.engines += engines
    if (violations.length > 0) failures.push({ number, violations })
  }
  return { summary, failures }
}
