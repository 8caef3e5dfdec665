/**
 * When an engine that gives no sign of life counts as hung: by what a step was measured to take, so that neither a slow machine nor a large model
 * is taken for a hang, and a small one need not wait for ten minutes.
 */
import * as Duration from "effect/Duration"
import type { HangPolicy } from "../src/runtime/heartbeat.ts"

/** One operation is a small part of a step: as long as twenty of them is no slow operation any more. */
const steps = 20
/** Never less, where the config does not say so: a busy machine or a slow disk can hold any operation up for seconds. */
const leastSeconds = 30
/** The heartbeat's thread has nothing else to do; it is silent where the process is stopped, or the machine is. */
const silenceSeconds = 10

/** Seconds that an operation, or the event loop, may stand still. `stepSeconds`: a step's measured time, null before the first. */
export const patience = (hangSeconds: number, stepSeconds: number | null): number =>
  stepSeconds === null ? hangSeconds : Math.max(steps * stepSeconds, Math.min(hangSeconds, leastSeconds))

export const hangPolicy = (hangSeconds: number, stepSeconds: () => number | null): HangPolicy => {
  const deadline = () => Duration.seconds(patience(hangSeconds, stepSeconds()))
  return { silence: Duration.seconds(Math.min(silenceSeconds, hangSeconds)), startup: "5 minutes", loopBlocked: deadline, opDeadline: deadline }
}
