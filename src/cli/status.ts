/** `rae status [RUN]`: from the run itself over its socket, or, where nobody answers, from what it left on disk. */
import { basename, dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Goodput from "../../actors/goodput.ts"
import { makeIncidents } from "../../actors/incidents.ts"
import type { StampedEvent } from "../../actors/journal.ts"
import type { RunJson } from "../../actors/run-json.ts"
import type { Status } from "../../actors/status.ts"
import { askControl, NotRunning } from "../runtime/control-client.ts"
import type { StatusInput } from "./commands.ts"
import { readEvents } from "./event-files.ts"
import { eventLine } from "./event-line.ts"
import { openLiveBlock } from "./live-block.ts"
import { clock, utc } from "./quantities.ts"
import { resumeCommand } from "./resume-command.ts"
import { findRun, openRun, runsDirectory, type RunDirectory } from "./run-directory.ts"
import { runningView, stoppedView, type Stopped } from "./status-view.ts"
import type { Terminal } from "./terminal.ts"

const isStatus = (answer: unknown): answer is Status => typeof answer === "object" && answer !== null && "schema" in answer && "state" in answer

/** Null where nobody answers, or where a variant was asked for and another one is training. */
const askStatus = async (run: RunDirectory): Promise<Status | null> => {
  const answer = await askControl({ dir: run.home, path: "/status" }).catch((error: unknown) => {
    if (error instanceof NotRunning) return null
    throw error
  })
  if (!isStatus(answer)) return null
  return run.variant === null || answer.variant?.name === run.name ? answer : null
}

/** It says that it runs, and nobody runs it: the supervisor had no time to say otherwise. */
const stateOf = ({ state }: RunJson): Stopped["state"] => (state === "running" ? "died" : state)

const variantsOf = ({ description, dir }: RunDirectory): Stopped["variants"] =>
  description.kind !== "study" ? [] : description.variants.map((run) => {
    const name = basename(run)
    const variant = openRun(join(dir, name))?.description
    return variant === undefined
      ? { name, state: "not started", step: 0, steps: 0, restarts: 0 }
      : { name, state: stateOf(variant), step: variant.step, steps: variant.steps, restarts: variant.restarts }
  })

const keptEvents = 5
/** Events from the end of the log in which failures are looked for: a screen is not worth a week's log. */
const searchedEvents = 2000

/** The last failures of a run that cannot be asked. */
const failuresOf = async (run: RunDirectory) => {
  const incidents = makeIncidents()
  for (const event of await readEvents(run.home, { last: searchedEvents })) if (run.variant === null || event.run === run.name) incidents.apply(event)
  return incidents.list()
}

const read = async (run: RunDirectory, terminal: Terminal): Promise<Stopped> => {
  const { description } = run
  const line = (event: StampedEvent) => eventLine(event, clock(new Date(event.time)), terminal.paintOut)
  const says = (event: StampedEvent) => event.type !== "train.step" && (run.variant === null || event.run === run.name) && line(event) !== null
  const events = await readEvents(run.home, { last: keptEvents, keep: says })
  return {
    name: run.name,
    description,
    state: stateOf(description),
    variants: variantsOf(run),
    goodput: Goodput.from(description.goodput),
    failures: await failuresOf(run),
    events: events.map(line).filter((text) => text !== null)
  }
}

const stoppedDocument = ({ description, failures, goodput, name, state, variants }: Stopped): object => ({
  schema: 1, name, kind: description.kind, state, running: false, profile: description.profile, device: description.device, precision: description.precision,
  data: description.data, random_weights: description.random_weights, step: description.step, steps: description.steps, restarts: description.restarts,
  config_file: description.config_file, created_at: description.created_at, variants, last_failures: failures, goodput
})

/** One look: lines for the screen or the document, and the exit code. */
const look = async (operand: string | undefined, values: StatusInput["values"], terminal: Terminal, columns: number) => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const live = await askStatus(run)
  if (live !== null) return { code: 0, document: live as object, lines: () => runningView(live, new Date(), columns, terminal.paintOut), help: null }
  const stopped = await read(run, terminal)
  const { config_file } = stopped.description
  const help = stopped.state === "done" ? null : `  = help: \`${resumeCommand(config_file, basename(run.home), dirname(run.home))}\` goes on from the last checkpoint`
  return { code: 3, document: stoppedDocument(stopped), lines: () => stoppedView(stopped, columns, terminal.paintOut), help }
}

const watchMillis = 1000
/** A look that takes its time: the time that it takes is not added to the pause. */
const watch = async (operand: string | undefined, values: StatusInput["values"], terminal: Terminal): Promise<number> => {
  let lines: ReadonlyArray<string> = []
  const block = !values.json && terminal.live && terminal.outIsTerminal ? openLiveBlock(terminal, () => lines) : null
  try {
    while (true) {
      const next = sleep(watchMillis)
      const seen = await look(operand, values, terminal, block === null ? terminal.outColumns() : terminal.errColumns() - 1)
      if (values.json) terminal.out(JSON.stringify(seen.document))
      else if (block === null) for (const line of [`${utc(new Date())}`, ...seen.lines(), ""]) terminal.out(line)
      lines = seen.lines()
      block?.flush()
      if (seen.code !== 0) return seen.code
      await next
    }
  } finally {
    block?.close()
    if (block !== null) for (const line of lines) terminal.out(line)
  }
}

export const status = async ({ operand, values }: StatusInput, terminal: Terminal): Promise<number> => {
  if (values.watch) return watch(operand, values, terminal)
  const { code, document, help, lines } = await look(operand, values, terminal, terminal.outColumns())
  if (values.json) terminal.out(JSON.stringify(document, null, 2))
  else for (const line of lines()) terminal.out(line)
  if (help !== null) terminal.err(help)
  return code
}
