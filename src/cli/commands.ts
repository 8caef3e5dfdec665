/** The whole command line as data, in the order of `rae --help`. */
import { list, moment, oneOf, text, toggle, whole, type Parsed } from "./arguments.ts"
import { command, jsonFlag, oneRun, runsDir, type Command, type Group } from "./command.ts"
import { checkpointCommands } from "./checkpoint-commands.ts"
import { evalCommand } from "./eval-command.ts"
import { checkCommand, machineCommands } from "./machine-commands.ts"
import { reconstructCommand } from "./reconstruct-command.ts"
import { runsCommands } from "./runs-commands.ts"
import { statsCommand } from "./stats-command.ts"
import { steeringCommands } from "./steering-commands.ts"

export { globalFlags, type Command, type Example, type Group } from "./command.ts"

const runFlags = {
  data: text("DIR", "folder of class folders of images"),
  name: text("NAME", "name of the run (else the config's)"),
  set: list("KEY=VALUE", "override one config key; may be repeated"),
  profile: oneOf(["tiny", "paper"], "size of the run (else paper where a GPU and the weights are there)"),
  device: text("DEVICE", "cpu or cuda:N"),
  "stop-after": whole("N", "save and stop after step N", 1),
  fresh: toggle("start anew; an old run of that name is moved aside"),
  "random-weights": toggle("random weights in place of missing pretrained ones"),
  "models-dir": text("DIR", "where pretrained files lie under their Hub names or published paths"),
  detach: toggle("train in the background, with a log file; says how to watch and to stop it"),
  "runs-dir": runsDir,
  json: toggle("print the study's table as JSON at the end")
}
const statusFlags = { watch: toggle("again every second, until it ends", "w"), json: jsonFlag, "runs-dir": runsDir }
const eventsFlags = {
  follow: toggle("wait for more, across restarts", "f"),
  lines: whole("N", "the last N only", 0, "n"),
  after: whole("SEQ", "only events after this number", 0),
  since: moment("TIME", "only events since 10m, 2h ago or a time"),
  until: moment("TIME", "only events until then"),
  type: list("PATTERN", "only these types (`checkpoint.*`); may be repeated"),
  actor: list("NAME", "only of these actors; may be repeated"),
  "no-fold": toggle("every warning on a line of its own, repeats too"),
  level: oneOf(["debug", "info", "warn", "error"], "this level and above"),
  json: toggle("one JSON object a line"),
  "runs-dir": runsDir
}


const reportFlags = { output: text("FILE", "where to write it (else NAME-report.html here); - for standard output", "o"), "runs-dir": runsDir }
const dashboardFlags = { port: whole("N", "where to listen on 127.0.0.1 (else 8620, or a free one)", 0), "runs-dir": runsDir }

export type DashboardInput = Parsed<typeof dashboardFlags>
export type ReportInput = Parsed<typeof reportFlags>
export type RunInput = Parsed<typeof runFlags>
export type StatusInput = Parsed<typeof statusFlags>
export type EventsInput = Parsed<typeof eventsFlags>

export const commands: ReadonlyArray<Command | Group> = [
  command({
    name: "run",
    summary: "train a config or a study; what is unfinished is resumed",
    operand: { name: "CONFIG", help: "a config file (YAML)", required: true },
    flags: runFlags,
    outlivesReader: true,
    examples: [
      { command: "rae run configs/ablation_lpips.yaml", does: "three variants, one after another, then a table" },
      { command: "rae run configs/ablation_lpips.yaml --data photos --set training.epochs=2", does: "on own images, for two epochs" },
      { command: "rae run configs/ablation_lpips.yaml --detach", does: "in the background; `rae status`, `rae events -f`, `rae stop`" }
    ],
    load: async () => (await import("./run.ts")).run
  }),
  checkCommand,
  command({
    name: "status",
    summary: "one screen: step, speed, losses, actors, checkpoint, disk, failures",
    operand: oneRun,
    flags: statusFlags,
    examples: [
      { command: "rae status -w", does: "the newest run, redrawn every second" },
      { command: "rae status photos --json", does: "the same for programs" }
    ],
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
  runsCommands,
  ...steeringCommands,
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
  command({
    name: "dashboard",
    summary: "a page that shows a run live: curves, reconstructions, actors, events, config, disk",
    operand: oneRun,
    flags: dashboardFlags,
    examples: [{ command: "rae dashboard photos", does: "serves it on 127.0.0.1 until Ctrl-C; works after the run has ended too" }],
    load: async () => (await import("./dashboard.ts")).dashboard
  }),
  checkpointCommands,
  reconstructCommand,
  evalCommand,
  statsCommand,
  ...machineCommands
]
