/** `rae pause`, `resume`, `restart`, `inject`: asked over the run's control socket. */
import { basename, dirname } from "node:path"
import type { StampedEvent } from "../../actors/journal.ts"
import { faultNames, type FaultName } from "../../actors/rehearsed-faults.ts"
import type { Status } from "../../actors/status.ts"
import { didYouMean } from "../config/nearest.ts"
import { askControl, NotRunning } from "../runtime/control-client.ts"
import { followEvents, readEvents } from "./event-files.ts"
import { count } from "./quantities.ts"
import { resumeCommand } from "./resume-command.ts"
import { findRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import type { SteerInput, SteerPartInput } from "./steering-commands.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

export interface Asked { readonly accepted: boolean; readonly seq: number }

/** Null where nobody answers. */
export const askRun = async (run: RunDirectory, path: string, body?: unknown): Promise<Asked | null> => {
  try {
    return await askControl({ dir: run.home, method: "POST", path, body }) as Asked
  } catch (error) {
    if (error instanceof NotRunning) return null
    throw error
  }
}

/** Says that it does not run, and how to go on; the exit code for it. */
export const notRunning = ({ description, home, name }: RunDirectory, terminal: Terminal): number => {
  terminal.err(`${name} is not running`)
  if (description.state !== "done") terminal.err(`  = help: \`${resumeCommand(description.config_file, basename(home), dirname(home))}\` goes on from the last checkpoint`)
  return 3
}

const ends: ReadonlySet<string> = new Set(["run.stopped", "run.failed", "study.finished"])

const watchMillis = 1000

/**
 * The events of a run for as long as it answers: one that was killed logs no end of its own. Throws NotRunning, after its last event.
 * Twice in a row nobody has to answer, for a run that ends closes its socket before its last line is written.
 */
export const followRunning = async function*({ description, home, name }: RunDirectory, after: number): AsyncGenerator<StampedEvent> {
  const gone = new AbortController()
  let unanswered = 0
  const watch = setInterval(() => {
    void askControl({ dir: home, path: "/status", timeoutMillis: watchMillis }).then(() => { unanswered = 0 }, (error: unknown) => {
      // One that is busy is late, and there.
      unanswered = error instanceof NotRunning ? unanswered + 1 : 0
      if (unanswered > 1) gone.abort()
    })
  }, watchMillis)
  let seen = after
  try {
    for await (const event of followEvents(home, { after, signal: gone.signal })) {
      seen = event.seq
      yield event
    }
    yield* await readEvents(home, { after: seen })
  } finally {
    clearInterval(watch)
  }
  throw new NotRunning(`${name} is not running any more: it ended without saying why\n  = help: \`${resumeCommand(description.config_file, basename(home), dirname(home))}\` goes on from the last checkpoint`)
}

/** The first event after a request that is wanted; null where the run ends before it. Throws NotRunning where it is killed before. */
export const awaitEvent = async <E extends StampedEvent>(run: RunDirectory, after: number, wanted: (event: StampedEvent) => event is E): Promise<E | null> => {
  for await (const event of followRunning(run, after)) {
    if (wanted(event)) return event
    if (ends.has(event.type)) return null
  }
  return null
}

const say = (terminal: Terminal, json: boolean, name: string, answer: object, text: string) => {
  if (json) terminal.out(JSON.stringify({ schema: 1, name, ...answer }))
  else terminal.err(`${name}: ${text}`)
}

export const pause = async ({ operand, values }: SteerInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const before = await stateOf(run)
  const asked = before === "paused" ? null : await askRun(run, "/pause")
  if (before === null) return notRunning(run, terminal)
  if (asked === null) {
    say(terminal, values.json, run.name, { state: "paused" }, "paused already")
    return 0
  }
  const paused = await awaitEvent(run, asked.seq, (event): event is Extract<StampedEvent, { type: "train.paused" }> => event.type === "train.paused")
  if (paused === null) {
    terminal.err(`${run.name} ended before it could be paused`)
    return 3
  }
  say(terminal, values.json, run.name, { state: "paused", step: paused.step }, `paused before step ${count(paused.step)}; \`rae resume ${run.name}\` goes on`)
  return 0
}

const stateOf = async (run: RunDirectory): Promise<Status["state"] | null> => {
  try {
    return (await askControl({ dir: run.home, path: "/status" }) as Status).state
  } catch (error) {
    if (error instanceof NotRunning) return null
    throw error
  }
}

export const resume = async ({ operand, values }: SteerInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const asked = await askRun(run, "/resume")
  if (asked === null) return notRunning(run, terminal)
  say(terminal, values.json, run.name, { state: "training" }, "going on")
  return 0
}

const part = async (path: string, field: string, { operand = "", values }: SteerPartInput, terminal: Terminal, refused: (run: RunDirectory) => Promise<UsageError>): Promise<number> => {
  const run = findRun(values.run, runsDirectory(values["runs-dir"]))
  const asked = await askRun(run, path, { [field]: operand })
  if (asked === null) return notRunning(run, terminal)
  if (!asked.accepted) throw await refused(run)
  say(terminal, values.json, run.name, { [field]: operand, seq: asked.seq }, `${operand}: done; \`rae events ${run.name} --after ${asked.seq} -f\` shows what comes of it`)
  return 0
}

const unknownActor = (name: string) => async (run: RunDirectory) => {
  const { actors } = await askControl({ dir: run.home, path: "/status" }) as Status
  return new UsageError(`${run.name} has no actor \`${name}\` now`, didYouMean(name, actors.map((actor) => actor.name)))
}

export const restart = (input: SteerPartInput, terminal: Terminal): Promise<number> => part("/restart", "actor", input, terminal, unknownActor(input.operand ?? ""))

const crash: FaultName = "crash:"

export const inject = async (input: SteerPartInput, terminal: Terminal): Promise<number> => {
  const { operand = "" } = input
  // A name that there is not is the command line's mistake, whatever the run allows.
  if (!operand.startsWith(crash) && !faultNames.some((name) => name === operand)) {
    throw new UsageError(`no fault \`${operand}\``, didYouMean(operand, faultNames.map((name) => (name === crash ? `${crash}ACTOR` : name))))
  }
  return await part("/inject", "fault", input, terminal, operand.startsWith(crash) ? unknownActor(operand.slice(crash.length))
    : async (run) => new UsageError(`${operand} is not possible now: no engine of ${run.name} is up`, "rae status shows when it is"))
}
