/** The whole command line as data: what each command takes, and the file that carries it out, loaded only when it is called. */
import { list, moment, oneOf, text, toggle, whole, type Flags, type Operand, type Parsed } from "./arguments.ts"
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
}

type Execute<F extends Flags> = (input: Parsed<F>, terminal: Terminal) => Promise<number>
const command = <F extends Flags>(spec: {
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

const runsDir = text("DIR", "where runs are kept (RAE_RUNS_DIR, else ./runs)")
const oneRun: Operand = { name: "RUN", help: "name of a run, study or study/variant, or its path; the newest if left out", required: false }
const givenRun: Operand = { ...oneRun, help: "name of a run, study or study/variant, or its path", required: true }

const runFlags = {
  data: text("DIR", "folder of class folders of images"),
  name: text("NAME", "name of the run (else the config's)"),
  set: list("KEY=VALUE", "override one config key; may be repeated"),
  profile: oneOf(["tiny", "paper"], "size of the run (else paper where a GPU and the weights are there)"),
  device: text("DEVICE", "cpu or cuda:N"),
  "stop-after": whole("N", "save and stop after step N", 1),
  fresh: toggle("start anew; an old run of that name is moved aside"),
  "random-weights": toggle("random weights in place of missing pretrained ones"),
  "runs-dir": runsDir,
  json: toggle("print the study's table as JSON at the end")
}
const statusFlags = { json: toggle("print one JSON document"), "runs-dir": runsDir }
const eventsFlags = {
  follow: toggle("wait for more, across restarts", "f"),
  lines: whole("N", "the last N only", 0, "n"),
  after: whole("SEQ", "only events after this number", 0),
  since: moment("TIME", "only events since 10m, 2h ago or a time"),
  until: moment("TIME", "only events until then"),
  type: list("PATTERN", "only these types (`checkpoint.*`); may be repeated"),
  actor: list("NAME", "only of these actors; may be repeated"),
  level: oneOf(["debug", "info", "warn", "error"], "this level and above"),
  json: toggle("one JSON object a line"),
  "runs-dir": runsDir
}
const checkpointFlags = { json: toggle("print one JSON document"), "runs-dir": runsDir }
const showFlags = { hash: toggle("one line a tensor: name, dtype, shape, hash"), ...checkpointFlags }

const reportFlags = { output: text("FILE", "where to write it (else NAME-report.html here); - for standard output", "o"), "runs-dir": runsDir }

export type ReportInput = Parsed<typeof reportFlags>
export type RunInput = Parsed<typeof runFlags>
const stopFlags = { "runs-dir": runsDir }

export type StopInput = Parsed<typeof stopFlags>
export type StatusInput = Parsed<typeof statusFlags>
export type EventsInput = Parsed<typeof eventsFlags>
export type CheckpointInput = Parsed<typeof checkpointFlags>
export type ShowInput = Parsed<typeof showFlags>

export const commands: ReadonlyArray<Command | Group> = [
  command({
    name: "run",
    summary: "train a config or a study; what is unfinished is resumed",
    operand: { name: "CONFIG", help: "a config file (YAML)", required: true },
    flags: runFlags,
    outlivesReader: true,
    examples: [
      { command: "rae run configs/ablation_lpips.yaml", does: "three variants, one after another, then a table" },
      { command: "rae run configs/ablation_lpips.yaml --data photos --set training.epochs=2", does: "on own images, for two epochs" }
    ],
    load: async () => (await import("./run.ts")).run
  }),
  command({
    name: "status",
    summary: "one screen: step, speed, losses, actors, checkpoint, disk, failures",
    operand: oneRun,
    flags: statusFlags,
    examples: [{ command: "rae status photos --json", does: "the same for programs" }],
    load: async () => (await import("./status.ts")).status
  }),
  command({
    name: "events",
    summary: "what happened, from the run's event log",
    operand: oneRun,
    flags: eventsFlags,
    examples: [
      { command: "rae events -f", does: "follow the newest run" },
      { command: "rae events photos --level warn --since 12h", does: "what went wrong in the night" }
    ],
    load: async () => (await import("./events.ts")).events
  }),
  command({
    name: "stop",
    summary: "finish the step, save and end a run; waits until it has",
    operand: oneRun,
    flags: stopFlags,
    examples: [{ command: "rae stop photos", does: "`rae run` with its config goes on from there" }],
    load: async () => (await import("./stop.ts")).stop
  }),
  command({
    name: "report",
    summary: "one HTML file: table, curves, reconstructions, incidents, config, time; several runs: a comparison",
    operand: { ...oneRun, many: true },
    flags: reportFlags,
    examples: [
      { command: "rae report photos", does: "writes photos-report.html; prints to paper or PDF as it is" },
      { command: "rae report photos other -o compared.html", does: "two runs side by side" }
    ],
    load: async () => (await import("./report.ts")).report
  }),
  {
    name: "ckpt",
    summary: "checkpoints: list, show, verify",
    commands: [
      command({
        name: "ls",
        summary: "list a run's checkpoints",
        operand: oneRun,
        flags: checkpointFlags,
        examples: [{ command: "rae ckpt ls photos", does: "every checkpoint of every variant" }],
        load: async () => (await import("./ckpt.ts")).ls
      }),
      command({
        name: "show",
        summary: "what the newest checkpoint holds",
        operand: givenRun,
        flags: showFlags,
        examples: [{ command: "rae ckpt show photos --hash", does: "equal lines mean equal weights" }],
        load: async () => (await import("./ckpt.ts")).show
      }),
      command({
        name: "verify",
        summary: "read every checkpoint and compare its hashes; exit 1 on damage",
        operand: oneRun,
        flags: checkpointFlags,
        examples: [{ command: "rae ckpt verify photos", does: "is everything as it was written?" }],
        load: async () => (await import("./ckpt.ts")).verify
      })
    ]
  }
]
