/** `rae status [RUN]`: from the run itself over its socket, or, where nobody answers, from what it left on disk. */
import { basename, dirname, join } from "node:path"
import * as Goodput from "../../actors/goodput.ts"
import { makeIncidents } from "../../actors/incidents.ts"
import type { StampedEvent } from "../../actors/journal.ts"
import type { RunJson } from "../../actors/run-json.ts"
import type { Status } from "../../actors/status.ts"
import { askControl, NotRunning } from "../runtime/control-client.ts"
import type { StatusInput } from "./commands.ts"
import { readEvents } from "./event-files.ts"
import { eventLine } from "./event-line.ts"
import { clock } from "./quantities.ts"
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

export const status = async ({ operand, values }: StatusInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  const live = await askStatus(run)
  const columns = terminal.outColumns()
  if (live !== null) {
    if (values.json) terminal.out(JSON.stringify(live, null, 2))
    else for (const line of runningView(live, new Date(), columns, terminal.paintOut)) terminal.out(line)
    return 0
  }
  const stopped = await read(run, terminal)
  if (values.json) terminal.out(JSON.stringify(stoppedDocument(stopped), null, 2))
  else for (const line of stoppedView(stopped, columns, terminal.paintOut)) terminal.out(line)
  if (stopped.state !== "done") terminal.err(`  = help: \`${resumeCommand(stopped.description.config_file, basename(run.home), dirname(run.home))}\` goes on from the last checkpoint`)
  return 3
}
