/**
 * One trial: a run of its own that faults happen to, started again with the same command for as long as that is what a user would do,
 * and then compared with the undisturbed one.
 */
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { EventType } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { verifyAll } from "../src/checkpoint/describe.ts"
import type { Plan, Scene } from "./fault.ts"
import type { TrialPlan } from "./faults/all.ts"
import { differences, eventsOf, fingerprint, isOf, stepKey } from "./fingerprint.ts"
import { type Ended, engineOf, eventually, isAlive, type RaeProcess } from "./rae-process.ts"
import type { Reference } from "./reference.ts"
import { type RunSettings, startRun } from "./run-settings.ts"
import { mountSmallDisk, type SmallDisk } from "./small-disk.ts"
import { Over, watchRun } from "./watch.ts"

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

interface Strike {
  readonly at: number
  readonly detectedBy: ReadonlyArray<EventType>
}

/** Ends of a process that are no failure, because they were made. */
const wasMade = ({ code, signal }: Ended, sent: ReadonlySet<string>): boolean =>
  signal === "SIGKILL" ? sent.has("SIGKILL") : (code === 130 && sent.has("SIGINT")) || (code === 143 && sent.has("SIGTERM"))

/** More starts than two faults can make needful. */
const mostStarts = 6
const deadlineSeconds = (reference: Reference) => 120 + 20 * reference.shape.seconds

export const runTrial = async (plan: TrialPlan, reference: Reference, settings: RunSettings): Promise<Outcome> => {
  const { kind, plans, trial } = plan
  const dir = join(settings.dir, `trial-${trial}`)
  rmSync(dir, { recursive: true, force: true })
  const name = "run"
  const cacheDir = join(dir, "cache")
  const over = new AbortController()
  const tooLate = AbortSignal.timeout(Math.round(deadlineSeconds(reference) * 1000))
  let disk: SmallDisk | null = null
  if (plans.some(({ needsDisk }) => needsDisk)) {
    // Room for what is kept, what is written, the log and the latents.
    const mounted = mountSmallDisk(join(dir, "disk"), 8 * reference.shape.checkpointBytes + 4 * 2 ** 20)
    if (typeof mounted === "string") throw new Error(`no small disk can be mounted: ${mounted}`)
    disk = mounted
  }
  const runsDir = join(disk?.path ?? dir, "runs")
  const runDir = join(runsDir, name)
  const watch = watchRun(runDir, over.signal)
  const strikes: Array<Strike> = []
  const sent = new Set<string>(plans.some(({ endsItself }) => endsItself) ? ["SIGKILL"] : [])
  const holdOf = (plan: Plan) => join(dir, `hold-${plans.indexOf(plan)}`)
  let current: RaeProcess | null = null

  const orOver = async <A>(found: () => A | null): Promise<A> => {
    const value = await eventually(found, over.signal)
    if (value === null) throw new Over("the run was over before")
    return value
  }
  const running = (): RaeProcess => {
    if (current === null) throw new Over("the run was over before")
    return current
  }
  const scene: Scene = {
    runDir, disk,
    cacheDir: disk === null ? cacheDir : join(disk.path, "cache"),
    supervisor: running,
    runOf: (variant) => variant === "" ? name : `${name}/${variant}`,
    engine: (not) => orOver(() => {
      const pid = current === null ? null : engineOf(current.pid)
      return pid === not ? null : pid
    }),
    signal: (signal) => {
      sent.add(signal)
      running().kill(signal)
    },
    until: watch.until,
    eventually: orOver,
    strike: async (detectedBy, act) => {
      strikes.push({ at: Date.now(), detectedBy })
      await act()
    },
    now: () => watch.events.length
  }

  const arrive = async (plan: Plan): Promise<void> => {
    const { moment } = plan
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
      case "Held": return void await orOver(() => existsSync(holdOf(plan)) ? true : null)
    }
  }
  const perform = async (plan: Plan): Promise<"done" | "missed"> => {
    try {
      await arrive(plan)
      await plan.act?.(scene)
      return "done"
    } catch (error) {
      // Over before it came, or the process to be struck has just ended by itself.
      if (error instanceof Over || (error as NodeJS.ErrnoException).code === "ESRCH") return "missed"
      throw error
    } finally {
      rmSync(holdOf(plan), { force: true })
    }
  }

  const failpoints = plans.flatMap((plan) => {
    const { failpoints: given = [], moment } = plan
    return moment._tag === "Held" ? [...given, `${moment.failpoint}@${moment.visit}:hold:${holdOf(plan)}`] : given
  })
  const firstEnv = { RAE_FAILPOINT: failpoints.join(","), RAE_FAULT: plans.flatMap(({ actorFaults = [] }) => actorFaults).join(",") }
  const problems: Array<string> = []
  const began = performance.now()
  const performing = Promise.all(plans.map(perform))
  performing.catch(() => undefined) // it is awaited below
  let starts = 0
  try {
    for (let done = false; !done && starts < mostStarts; starts++) {
      current = startRun(settings, { runsDir, name, cacheDir: scene.cacheDir, env: starts === 0 ? firstEnv : {} })
      const ended = await Promise.race([current.ended, orTimeout(tooLate)])
      if (ended === "too late") {
        problems.push(`did not end within ${Math.round(deadlineSeconds(reference))} s`)
        current.kill("SIGKILL")
        await current.ended
        break
      }
      if (ended.code === 0) done = true
      else if (!wasMade(ended, sent)) {
        problems.push(`start ${starts + 1} ended with ${ended.signal ?? `exit code ${ended.code}`}: ${lastLine(current.said())}`)
        break
      }
    }
    if (starts === mostStarts && problems.length === 0) problems.push(`not done after ${mostStarts} starts`)
  } finally {
    current = null
    over.abort()
  }
  const seconds = (performance.now() - began) / 1000
  const performed = await performing
  disk?.release()

  const events: ReadonlyArray<StampedEvent> = await eventsOf(runDir).catch(() => [])
  if (problems.length === 0) problems.push(...await checked(runDir, plan, reference, events))
  for (const { complaints } of plans) problems.push(...complaints?.({ events, shape: reference.shape }) ?? [])
  const missed = performed.includes("missed") || (plans.some(({ endsItself }) => endsItself) && starts === 1)
  disk?.unmount()

  const steps = events.filter(isOf("train.step"))
  return {
    trial, kind: kind.name, text: plans.map(({ text }) => text).join("; and "), dir, problems,
    verdict: missed && onlyUnstruck(problems) ? "missed" : problems.length > 0 ? "failed" : kind.ends,
    detection: strikes.flatMap(({ at, detectedBy }) => {
      const told = events.find((event) => detectedBy.includes(event.type) && Date.parse(event.time) >= at)
      return told === undefined ? [] : [(Date.parse(told.time) - at) / 1000]
    }),
    stepsLost: steps.length - new Set(steps.map(({ run, step }) => stepKey(run, step))).size,
    secondsLost: seconds - reference.shape.seconds,
    restarts: events.filter(isOf("supervisor.child_down")).length,
    human: problems.length > 0 ? "more" : starts > 1 ? "command" : "none"
  }
}

const orTimeout = (signal: AbortSignal) => new Promise<"too late">((done) => signal.addEventListener("abort", () => done("too late")))

const lastLine = (text: string) => text.trimEnd().split("\n").slice(-3).join(" | ")

/** What was complained of only because the fault did not come to pass. */
const onlyUnstruck = (problems: ReadonlyArray<string>) => problems.every((problem) => / did not go down$| was not put aside$/.test(problem))

/** Equal, every checkpoint whole, nothing left behind. */
const checked = async (runDir: string, { kind }: TrialPlan, reference: Reference, events: ReadonlyArray<StampedEvent>): Promise<ReadonlyArray<string>> => {
  const got = await fingerprint(runDir)
  const damaged = (await Effect.runPromise(verifyAll(runDir, runDir))).filter(({ ok }) => !ok).map(({ path }) => `${path} does not verify`)
  const left = readdirSync(runDir, { recursive: true, encoding: "utf8" }).filter((file) => /\.sock$|\.new$|(^|\/)\.(tmp|pruned|replaced)-/.test(file)).map((file) => `left behind: ${file}`)
  const orphans = events.filter(isOf("engine.started")).filter(({ pid }) => isAlive(pid)).map(({ pid }) => `engine ${pid} is still alive`)
  return [...(kind.ends === "equal" ? differences(reference.fingerprint, got, events) : []), ...damaged, ...left, ...orphans]
}
