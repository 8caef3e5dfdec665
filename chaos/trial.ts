/**
 * One trial: a run of its own that faults happen to, started again with the same command for as long as that is what a user would do,
 * and then compared with the undisturbed one.
 */
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { StampedEvent } from "../actors/journal.ts"
import type { Plan } from "./fault.ts"
import type { TrialPlan } from "./faults/all.ts"
import { eventsOf, isOf, stepKey } from "./fingerprint.ts"
import { complaintsAbout } from "./inspection.ts"
import type { Reference } from "./reference.ts"
import type { RunSettings } from "./run-settings.ts"
import { detectionsOf, openStage, type Stage } from "./stage.ts"
import { Over } from "./watch.ts"

export interface Outcome {
  readonly trial: number
  readonly kind: string
  readonly text: string
  /** `missed`: the run was over before the fault could strike; nothing is said about it then. */
  readonly verdict: "equal" | "finite" | "failed" | "missed"
  readonly problems: ReadonlyArray<string>
  /** Seconds from each strike to the event that tells of it. */
  readonly detection: ReadonlyArray<number>
  /** Steps that were computed more than once, as far as they were logged. */
  readonly stepsLost: number
  /** Of all processes together, beyond the undisturbed run's. */
  readonly secondsLost: number
  readonly restarts: number
  /** `command`: the same command again, as a service manager would; `more`: the run did not end by that alone. */
  readonly human: "none" | "command" | "more"
  readonly dir: string
}

/** More starts than two faults can make needful. */
const mostStarts = 6
const deadlineSeconds = ({ shape }: Reference) => Math.round(120 + 20 * shape.seconds)

/** Waits for the fault's moment, and does it. */
const perform = async ({ scene }: Stage, { act, moment }: Plan, hold: string): Promise<"done" | "missed" | Error> => {
  const arrive = async (): Promise<void> => {
    switch (moment._tag) {
      case "FromStart": return
      case "Loading": return void await scene.engine()
      case "Step": {
        const run = scene.runOf(moment.variant)
        return void await scene.until((event) => isOf("train.step")(event) && event.run === run && event.step >= moment.step)
      }
      case "Event": {
        let seen = 0
        return void await scene.until((event) => event.type === moment.type && ++seen === moment.nth)
      }
      case "Held": return void await scene.eventually(() => existsSync(hold) ? true : null)
    }
  }
  try {
    await arrive()
    await act?.(scene)
    return "done"
  } catch (error) {
    // Over before it came, or the process to be struck has just ended by itself.
    if (error instanceof Over || (error as NodeJS.ErrnoException).code === "ESRCH") return "missed"
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    rmSync(hold, { force: true })
  }
}

/** Starts the run until it is done; gives the number of starts, and what went wrong. */
const runToEnd = async (stage: Stage, firstEnv: Readonly<Record<string, string>>, seconds: number): Promise<{ readonly starts: number; readonly problems: ReadonlyArray<string> }> => {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<"too late">((late) => { timer = setTimeout(() => late("too late"), seconds * 1000) })
  try {
    for (let starts = 1; starts <= mostStarts; starts++) {
      const process = stage.start(starts === 1 ? firstEnv : {})
      const ended = await Promise.race([process.ended, tooLate])
      if (ended === "too late") {
        process.kill("SIGKILL")
        await process.ended
        return { starts, problems: [`did not end within ${seconds} s: ${lastLines(process.said())}`] }
      }
      if (ended.code === 0) return { starts, problems: [] }
      if (!stage.wasMade(ended)) return { starts, problems: [`start ${starts} ended with ${ended.signal ?? `exit code ${ended.code}`}: ${lastLines(process.said())}`] }
    }
    return { starts: mostStarts, problems: [`not done after ${mostStarts} starts`] }
  } finally {
    clearTimeout(timer)
    stage.end()
  }
}

export const runTrial = async ({ kind, plans, trial }: TrialPlan, reference: Reference, settings: RunSettings): Promise<Outcome> => {
  const { shape } = reference
  const dir = join(settings.dir, `trial-${trial}`)
  // Room for what is kept, what is written, the log and the latents.
  const stage = openStage({ settings, dir, diskBytes: plans.some(({ needsDisk }) => needsDisk) ? 8 * shape.checkpointBytes + 4 * 2 ** 20 : null })
  if (plans.some(({ endsItself }) => endsItself)) stage.expectKill()
  const holds = plans.map((_, i) => join(dir, `hold-${i}`))
  const failpoints = plans.flatMap(({ failpoints: given = [], moment }, i) => moment._tag === "Held" ? [...given, `${moment.failpoint}@${moment.visit}:hold:${holds[i]}`] : given)
  const actorFaults = plans.flatMap(({ actorFaults: given = [] }) => given)

  let failed = true
  try {
    const began = performance.now()
    const performing = Promise.all(plans.map((plan, i) => perform(stage, plan, holds[i]!)))
    const { problems: ends, starts } = await runToEnd(stage, { RAE_FAILPOINT: failpoints.join(","), RAE_FAULT: actorFaults.join(",") }, deadlineSeconds(reference))
    const seconds = (performance.now() - began) / 1000
    const performed = await performing
    const { events, unread } = await eventsOf(stage.runDir).then(
      (events) => ({ events, unread: [] }),
      (error: unknown) => ({ events: [] as ReadonlyArray<StampedEvent>, unread: [`the event log cannot be read: ${error instanceof Error ? error.message : String(error)}`] })
    )
    const seen = { events, shape, alone: plans.length === 1 }
    const missed = performed.includes("missed") || (plans.some(({ endsItself }) => endsItself) && starts === 1) || plans.some(({ struck }) => struck?.(seen) === false)
    const problems = [
      ...performed.filter((each) => each instanceof Error).map(({ message }) => `the fault could not be made: ${message}`),
      ...ends, ...unread, ...(ends.length + unread.length > 0 ? [] : await complaintsAbout(stage.runDir, kind.ends === "equal" ? reference.fingerprint : null, events)),
      ...(missed || unread.length > 0 ? [] : plans.flatMap(({ complaints }) => complaints?.(seen) ?? []))
    ]
    failed = problems.length > 0
    const steps = events.filter(isOf("train.step"))
    return {
      trial, kind: kind.name, text: plans.map(({ text }) => text).join("; and "), dir, problems,
      verdict: problems.length > 0 ? "failed" : missed ? "missed" : kind.ends,
      detection: detectionsOf(stage.strikes, events),
      stepsLost: steps.length - new Set(steps.map(({ run, step }) => stepKey(run, step))).size,
      secondsLost: seconds - shape.seconds,
      restarts: events.filter(isOf("supervisor.child_down")).length,
      human: problems.length > 0 ? "more" : starts > 1 ? "command" : "none"
    }
  } finally {
    stage.close(failed)
  }
}

const lastLines = (text: string) => text.trimEnd().split("\n").slice(-3).join(" | ")
