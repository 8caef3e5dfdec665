/** What a command is: what it takes, how it is helped with, and the file that carries it out, loaded only when it is called. */
import { oneOf, text, toggle, type Flags, type Operand, type Parsed } from "./arguments.ts"
import type { Terminal } from "./terminal.ts"

export interface Example {
  readonly command: string
  readonly does: string
}

export interface Command {
  readonly name: string
  readonly summary: string
  readonly operand: Operand | undefined
  readonly flags: Flags
  readonly examples: ReadonlyArray<Example>
  /** A reader that goes away (`rae events | head`) ends the command; not a run that trains for days. */
  readonly outlivesReader: boolean
  readonly execute: (input: Parsed<Flags>, terminal: Terminal) => Promise<number>
}
export interface Group {
  readonly name: string
  readonly summary: string
  readonly commands: ReadonlyArray<Command>
  /** What the group's name alone does; without it the name alone is an error. */
  readonly byDefault?: string
}

type Execute<F extends Flags> = (input: Parsed<F>, terminal: Terminal) => Promise<number>
export const command = <F extends Flags>(spec: {
  readonly name: string
  readonly summary: string
  readonly operand?: Operand
  readonly flags: F
  readonly examples: ReadonlyArray<Example>
  readonly outlivesReader?: boolean
  readonly load: () => Promise<Execute<F>>
}): Command => ({
  name: spec.name,
  summary: spec.summary,
  operand: spec.operand,
  flags: spec.flags,
  examples: spec.examples,
  outlivesReader: spec.outlivesReader ?? false,
  // The flags that parsed the input are the ones that the body was written for.
  execute: async (input, terminal) => (await spec.load())(input as Parsed<F>, terminal)
})

export const globalFlags = {
  help: toggle("show help", "h"),
  version: toggle("show the version", "V"),
  color: oneOf(["auto", "always", "never"], "colours; auto: on a terminal without NO_COLOR"),
  trace: toggle("show where an error comes from (as RAE_DEBUG=1)")
}

export const runsDir = text("DIR", "where runs are kept (RAE_RUNS_DIR, else ./runs)")
export const jsonFlag = toggle("print one JSON document")
export const oneRun: Operand = { name: "RUN", help: "name of a run, study or study/variant, or its path; the newest if left out", required: false, completes: "run" }
export const givenRun: Operand = { ...oneRun, help: "name of a run, study or study/variant, or its path", required: true }
