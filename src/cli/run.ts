/** `rae run CONFIG`: hands the study to the supervisor, shows what happens, ends in the table. */
import type * as EffectModule from "effect/Effect"
import { resolve } from "node:path"
import packageJson from "../../package.json" with { type: "json" }
import type { StudyOutcome, SuperviseOptions } from "../../actors/supervise.ts"
import { renderText } from "../formats/study-table.ts"
import type { RunInput } from "./commands.ts"
import { openPrinter } from "./printer.ts"
import { count } from "./quantities.ts"
import { resumeCommand } from "./resume-command.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"

export type Supervise = (options: SuperviseOptions) => EffectModule.Effect<StudyOutcome, unknown>

const signalCodes = { SIGINT: 130, SIGTERM: 143 } as const

/** A signal that came when all was done changes nothing. */
export const exitCode = ({ kind, signal }: StudyOutcome): number => (kind === "stopped" && signal !== null ? signalCodes[signal] : 0)

/** What became of the run, and how to go on where it is not done. */
const closing = ({ kind, signal, step, table }: StudyOutcome, trained: boolean, configFile: string, runsDir: string): ReadonlyArray<string> => {
  if (kind === "done") return [trained ? `done: ${table.study}` : `${table.study} is done already; --fresh starts anew`]
  return [
    signal === null ? `stopped at ${count(step)}, not done` : `interrupted by ${signal} at step ${count(step)}, saved`,
    `  = help: \`${resumeCommand(configFile, table.study, runsDir)}\` goes on from there`
  ]
}

/** A study that fails on the way still has a table to show. */
const hasTable = (error: unknown): error is { readonly table: StudyOutcome["table"] } =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "RunFailed" && "table" in error

export const runWith = (supervise: Supervise) => async ({ operand: configFile = "", values }: RunInput, terminal: Terminal): Promise<number> => {
  const [Effect, Exit, Cause] = await Promise.all([import("effect/Effect"), import("effect/Exit"), import("effect/Cause")])
  const runsDir = runsDirectory(values["runs-dir"])
  const printer = openPrinter(terminal, packageJson.version, process.pid)
  // Fibers that wait for a child alone do not keep Node awake.
  const awake = setInterval(() => {}, 2 ** 31 - 1)
  const exit = await Effect.runPromiseExit(supervise({
    configFile,
    profile: values.profile,
    // kept in run.json with the others, so that a resume finds the same files
    sets: values["models-dir"] === undefined ? values.set : [...values.set, `weights.models_dir=${JSON.stringify(resolve(values["models-dir"]))}`],
    data: values.data,
    runsDir,
    name: values.name,
    fresh: values.fresh,
    stopAfter: values["stop-after"],
    device: values.device,
    randomWeights: values["random-weights"],
    onEvent: printer.event,
    onStarted: printer.started
  }))
  clearInterval(awake)
  printer.close()
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    if (hasTable(error)) for (const line of renderText(error.table, terminal.outColumns())) terminal.out(line)
    throw error
  }
  const outcome = exit.value
  for (const line of closing(outcome, printer.trained(), configFile, runsDir)) terminal.err(line)
  if (values.json) terminal.out(JSON.stringify({ schema: 1, kind: outcome.kind, signal: outcome.signal, step: outcome.step, table: outcome.table }))
  else for (const line of renderText(outcome.table, terminal.outColumns())) terminal.out(line)
  return exitCode(outcome)
}

export const run = async (input: RunInput, terminal: Terminal): Promise<number> => {
  if (input.values.detach) return (await import("./run-detached.ts")).runDetached(input, terminal)
  const { superviseStudy } = await import("../../actors/supervise.ts")
  return await runWith(superviseStudy)(input, terminal)
}
