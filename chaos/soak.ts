/**
 * A soak: one long run, a fault every so many seconds on average, and at its end a comparison with an undisturbed run of the same length.
 * What leaks shows in memory, open files and tensor handles; what costs shows in the goodput: time in steps that counted, over all.
 */
import { join } from "node:path"
import type { EventType } from "../actors/events.ts"
import type { StampedEvent } from "../actors/journal.ts"
import { count, size, span } from "../src/cli/quantities.ts"
import { layOut } from "../src/formats/text-table.ts"
import { type Draw, drawFor } from "./draw.ts"
import type { Plan, Shape } from "./fault.ts"
import type { Kind } from "./faults/all.ts"
import { isOf } from "./fingerprint.ts"
import { complaintsAbout } from "./inspection.ts"
import { runReference } from "./reference.ts"
import type { RunSettings } from "./run-settings.ts"
import { openStage, type Stage } from "./stage.ts"
import { whyNoDisk } from "./small-disk.ts"
import { growthOf, type Sample, sampleOf, trendsOf } from "./usage.ts"
import { Over } from "./watch.ts"

export interface Soak {
  readonly settings: RunSettings
  readonly seed: number
  readonly kinds: ReadonlyArray<Kind>
  readonly seconds: number
  readonly everySeconds: number
  readonly json: boolean
  /** Ends the soak early, without a comparison. */
  readonly stop: AbortSignal
  readonly out: (line: string) => void
  readonly say: (line: string) => void
}

/** A run that does not end by itself, and bears that faults come often: the window of restarts is shorter than the time between two of them. */
const endless = ["training.epochs=1000000", "supervision.max_restarts=1000", "supervision.within_seconds=10", "supervision.max_without_progress=100"]
/** The undisturbed run needs no checkpoints but its last, and no evaluations: neither decides a bit. */
const bare = ["checkpoint.every_steps=0", "eval.eval_interval=0"]

const sampleMillis = 5000
/** What a fault waits for may never come, because the fault before has changed it. */
const longestActSeconds = 60
/** From the end of a process to the last lines of its log. */
const lastWordsSeconds = 5
const diskBytes = 512 * 2 ** 20

/** Moments do not matter here: a plan's act is done when its time has come. */
const anyTime = (checkpointBytes: number): Shape => ({
  steps: Array.from({ length: 100 }, (_, i) => ({ variant: "", step: i + 1 })), commits: Array.from({ length: 10 }, (_, i) => ({ variant: "", step: 5 * i + 5 })),
  variants: [""], evaluations: 1, pruned: 7, checkpointBytes, cached: true, seconds: 1
})

/** Kinds that strike a run while it trains, and those that come with the start of a process: the next start takes them along. */
const drawn = (kinds: ReadonlyArray<Kind>, draw: Draw, shape: Shape, fromStart: boolean): { readonly kind: Kind; readonly plan: Plan } | null => {
  for (let tried = 0; tried < 50; tried++) {
    const kind = draw.pick(kinds)
    const plan = kind.ends === "equal" && kind.name !== "two-at-once" ? kind.draw(draw, shape)?.[0] : undefined
    if (plan === undefined || plan.endsItself === true) continue
    if (fromStart ? plan.moment._tag === "FromStart" : plan.moment._tag === "Step" && plan.act !== undefined && plan.failpoints === undefined) return { kind, plan }
  }
  return null
}

/** Faults at exponentially distributed times, until the end is asked for. */
const strikeOften = async (stage: Stage, { everySeconds, kinds, say, seed }: Soak, end: AbortSignal, note: (kind: string) => void) => {
  const draw = drawFor(seed, 0)
  const first = await stage.scene.until(({ type }) => type === "checkpoint.committed")
  const shape = anyTime(isOf("checkpoint.committed")(first) ? first.bytes : 0)
  while (!end.aborted) {
    await pause(-Math.log(1 - draw.fraction()) * everySeconds, end)
    const chosen = end.aborted ? null : drawn(kinds, draw, shape, false)
    if (chosen === null) continue
    note(chosen.kind.name)
    say(`${new Date().toISOString()}  ${chosen.plan.text.replace(/ after step \d+/, "")}`)
    const acting = Promise.try(async () => await chosen.plan.act?.(stage.scene)).catch((error: unknown) => {
      // What it was to strike has ended by itself, or by the fault before.
      if (!(error instanceof Over) && (error as NodeJS.ErrnoException).code !== "ESRCH") throw error
    })
    await Promise.race([acting, pause(longestActSeconds, end)])
    stage.scene.disk?.release()
  }
}

const pause = (seconds: number, end?: AbortSignal) => new Promise<void>((done) => {
  const over = () => {
    clearTimeout(timer)
    end?.removeEventListener("abort", over)
    done()
  }
  const timer = setTimeout(over, seconds * 1000)
  end?.addEventListener("abort", over)
})

/** Starts the run whenever a fault has ended it, sometimes with a fault in its environment, until it has stopped and saved as `end` asks. */
const trainThrough = async (stage: Stage, { kinds, say, seed, stop }: Soak, end: AbortSignal, note: (kind: string) => void) => {
  const draw = drawFor(seed, 1)
  end.addEventListener("abort", () => stage.scene.signal("SIGTERM"))
  for (let starts = 1; ; starts++) {
    const along = starts === 1 || end.aborted || !draw.chance(0.5) ? null : drawn(kinds, draw, anyTime(0), true)
    if (along !== null) {
      note(along.kind.name)
      say(`${new Date().toISOString()}  from this start: ${along.plan.text}`)
    }
    const before = stage.scene.now()
    const happens = (type: EventType) => stage.scene.until((event) => event.type === type, before)
    const process = stage.start({ RAE_FAILPOINT: along?.plan.failpoints?.join(",") ?? "", RAE_FAULT: along?.plan.actorFaults?.join(",") ?? "" })
    // The process that was asked to end had ended by a fault just then: this one is asked in its place.
    if (end.aborted) happens("run.started").then(() => stage.scene.signal("SIGTERM"), () => undefined)
    const ended = await process.ended
    if (stop.aborted) return { starts, problems: [] }
    if (!stage.wasMade(ended)) {
      return { starts, problems: [`start ${starts} ended with ${ended.signal ?? `exit code ${ended.code}`}: ${process.said().trimEnd().split("\n").slice(-3).join(" | ")}`] }
    }
    // Our signal may have been the second after a fault's: then nothing was saved, and the next process is asked.
    if (end.aborted && await Promise.race([happens("run.stopped").then(() => true), pause(lastWordsSeconds).then(() => false)])) return { starts, problems: [] }
  }
}

export const runSoak = async (asked: Soak): Promise<number> => {
  const { out, say, seconds, seed } = asked
  const settings = { ...asked.settings, sets: [...asked.settings.sets, ...endless] }
  const noDisk = whyNoDisk(settings.dir)
  if (noDisk !== null) say(`no small disk can be mounted here (${noDisk}): the disk is never full`)
  const soak = { ...asked, settings, kinds: noDisk === null ? asked.kinds : asked.kinds.filter(({ name }) => name !== "enospc") }
  const stage = openStage({ settings, dir: join(settings.dir, "soak"), diskBytes: noDisk === null ? diskBytes : null })
  const strikes = new Map<string, number>()
  const note = (kind: string) => { strikes.set(kind, (strikes.get(kind) ?? 0) + 1) }
  const end = new AbortController()
  const timer = setTimeout(() => end.abort(), seconds * 1000)
  const samples: Array<Sample> = []
  const sampling = setInterval(() => {
    const supervisor = stage.current()
    if (supervisor !== null) sampleOf(supervisor.pid, stage.runDir).then((sample) => samples.push(...sample)).catch(() => undefined)
  }, sampleMillis)
  let failed = true
  try {
    const began = performance.now()
    const striking = strikeOften(stage, soak, end.signal, note).then(() => [], (error: unknown) => {
      end.abort()
      return error instanceof Over ? [] : [`the faults ended: ${error instanceof Error ? error.message : String(error)}`]
    })
    const { problems: ends, starts } = await trainThrough(stage, soak, end.signal, note)
    const whole = (performance.now() - began) / 1000
    clearInterval(sampling)
    end.abort()
    stage.end()
    if (asked.stop.aborted) return 130

    const last = stage.events.findLast(isOf("run.stopped"))?.step ?? 0
    // A step beyond, of an earlier process that was stopped at once, has no counterpart.
    const events = stage.events.filter((event) => !isOf("train.step")(event) || event.step <= last)
    say(`${last} steps in ${span(whole)}; the undisturbed run of as many begins`)
    const reference = await runReference({ ...settings, sets: [...settings.sets, ...bare] }, ["--stop-after", String(last)])
    const problems = [...ends, ...await striking, ...await complaintsAbout(stage.runDir, reference.fingerprint, events), ...growthOf(samples)]
    failed = problems.length > 0
    const result = summarize({ seed, seconds: whole, everySeconds: soak.everySeconds, last, events, strikes, starts, undisturbedSeconds: reference.shape.seconds, samples, problems })
    for (const line of soak.json ? [JSON.stringify(result)] : linesOf(result)) out(line)
    return failed ? 1 : 0
  } finally {
    clearTimeout(timer)
    clearInterval(sampling)
    stage.end()
    stage.close(failed)
  }
}

type Result = ReturnType<typeof summarize>

const summarize = (facts: {
  readonly seed: number; readonly seconds: number; readonly everySeconds: number; readonly last: number; readonly events: ReadonlyArray<StampedEvent>; readonly strikes: ReadonlyMap<string, number>
  readonly starts: number; readonly undisturbedSeconds: number; readonly samples: ReadonlyArray<Sample>; readonly problems: ReadonlyArray<string>
}) => {
  const steps = facts.events.filter(isOf("train.step"))
  // A step that was computed again counts once.
  const useful = new Map(steps.map((event) => [event.step, Object.values(event.seconds).reduce((sum, part) => sum + part, 0)]))
  const usefulSeconds = [...useful.values()].reduce((sum, part) => sum + part, 0)
  return {
    schema: 1, seed: facts.seed, seconds: facts.seconds, every_seconds: facts.everySeconds, steps: facts.last, steps_again: steps.length - useful.size,
    faults: Object.fromEntries([...facts.strikes].sort()), starts: facts.starts, restarts: facts.events.filter(isOf("supervisor.child_down")).length,
    goodput: usefulSeconds / facts.seconds, undisturbed_seconds: facts.undisturbedSeconds, usage: trendsOf(facts.samples), equal: facts.problems.length === 0, problems: facts.problems
  }
}

const shown = (of: string, value: number) => of.endsWith("memory") ? size(value) : count(value)

const linesOf = (result: Result): ReadonlyArray<string> => [
  ...layOut([{ title: "fault" }, { title: "times", align: "right" }], Object.entries(result.faults).map(([name, times]) => [name, String(times)])),
  "",
  ...layOut([{ title: "" }, { title: "first quarter", align: "right" }, { title: "last quarter", align: "right" }], Object.entries(result.usage).map(([of, { first, last }]) => [of, shown(of, first), shown(of, last)])),
  "",
  `${span(result.seconds)}, a fault every ${result.every_seconds} s on average: ${count(result.steps)} steps, ${count(result.steps_again)} of them computed again, ${result.starts} starts, ${result.restarts} restarts.`,
  `Goodput ${(100 * result.goodput).toFixed(1)} %: time in steps that counted, over all. The undisturbed run of as many steps, without checkpoints on the way, took ${span(result.undisturbed_seconds)}.`,
  ...(result.equal ? ["Ended equal; memory, files and handles flat."] : result.problems)
]
