/** What must hold of every schedule, whatever happens in it, read from what the supervisors said. */
import * as Duration from "effect/Duration"
import { engineTree, trainingTree } from "../../actors/tree.ts"
import type { Schedule } from "./schedule.ts"
import type { Noted } from "./world.ts"

const childrenOf = { supervisor: ["checkpointer", "engine"], engine: ["data_loader", "feature_cache", "evaluator", "training"], training: ["generator", "discriminator", "ema", "trainer"] } as const

/** A shutdown goes from the last child to the first, whole before another begins; the first start of each child comes in order. */
export const orderBroken = (events: ReadonlyArray<Noted>): ReadonlyArray<string> => {
  const broken: Array<string> = []
  for (const [instance, noted] of Map.groupBy(events, (each) => each.instance)) {
    const order: ReadonlyArray<string> = childrenOf[noted[0]!.event.supervisor as keyof typeof childrenOf]
    let started = -1
    let stopped = Number.POSITIVE_INFINITY
    for (const { event } of noted) {
      if (event.type === "child_started") {
        const place = order.indexOf(event.child)
        if (event.attempt === 1 && place !== started + 1) broken.push(`${instance}: ${event.child} started before ${order[started + 1]}`)
        if (event.attempt === 1) started = place
      }
      if (event.type === "child_stopped") {
        const place = order.indexOf(event.offender)
        // A second shutdown may begin before anything has started again: at the last child, too.
        if (place >= stopped && place !== order.length - 1) broken.push(`${instance}: ${event.offender} stopped after ${order[stopped]}`)
        stopped = place
        if (event.context === "shutdown_error") broken.push(`${instance}: ${event.offender} was left behind`)
      } else stopped = Number.POSITIVE_INFINITY
    }
  }
  return broken
}

/** No supervisor restarts more often than it may; the engine is restarted as often as it may without a newer checkpoint, no more; no one gives up before. */
export const limitsBroken = (events: ReadonlyArray<Noted>, schedule: Schedule): ReadonlyArray<string> => {
  const limits: Readonly<Record<string, Limit>> = {
    supervisor: { max: schedule.maxRestarts, withinMillis: schedule.withinSeconds * 1000, withoutProgress: schedule.maxWithoutProgress },
    engine: { max: engineTree.intensity.max, withinMillis: Duration.toMillis(engineTree.intensity.within), withoutProgress: Number.POSITIVE_INFINITY },
    training: { max: trainingTree.intensity.max, withinMillis: Duration.toMillis(trainingTree.intensity.within), withoutProgress: Number.POSITIVE_INFINITY }
  }
  return [...Map.groupBy(events, ({ instance }) => instance)].flatMap(([instance, noted]) => {
    const { max, withinMillis, withoutProgress } = limits[noted[0]!.event.supervisor]!
    return lives(noted).flatMap(({ failures, gaveUp }) => {
      const counted = failures.map(({ at, progress }, i) => ({
        inWindow: failures.slice(0, i + 1).filter((other) => at - other.at < withinMillis).length,
        stuck: failures.slice(0, i + 1).filter((other) => other.progress === progress).length
      }))
      const beyond = counted.filter(({ inWindow, stuck }) => inWindow > max || stuck > withoutProgress)
      if (gaveUp) return beyond.length === 1 && beyond[0] === counted.at(-1) ? [] : [`${instance} gave up after ${JSON.stringify(counted)}, may have ${max} in ${withinMillis} ms and ${withoutProgress} without progress`]
      return beyond.length === 0 ? [] : [`${instance} went on after ${JSON.stringify(counted)}, may have ${max} in ${withinMillis} ms and ${withoutProgress} without progress`]
    })
  })
}

interface Limit {
  readonly max: number
  readonly withinMillis: number
  readonly withoutProgress: number
}

interface Life {
  readonly failures: ReadonlyArray<{ readonly at: number; readonly progress: number }>
  readonly gaveUp: boolean
}

/** The failures that a supervisor answered, life by life: it ends by giving up, and the one above starts it anew. */
const lives = (noted: ReadonlyArray<Noted>): ReadonlyArray<Life> => {
  const all: Array<Life> = []
  let failures: Array<Life["failures"][number]> = []
  for (const { at, event, progress } of noted) {
    if (event.type === "child_down" && event.response === "restart") failures.push({ at, progress })
    if (event.type === "gave_up") {
      all.push({ failures, gaveUp: true })
      failures = []
    }
  }
  return [...all, { failures, gaveUp: false }]
}
