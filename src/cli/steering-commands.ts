/** Commands that ask something of a run that trains. */
import { faultNames } from "../../actors/rehearsed-faults.ts"
import { text, type Parsed } from "./arguments.ts"
import { command, jsonFlag, oneRun, runsDir } from "./command.ts"

const flags = { json: jsonFlag, "runs-dir": runsDir }
/** For commands whose operand is not the run. */
const ofRunFlags = { run: text("RUN", "of this run (else the newest)"), ...flags }

export type SteerInput = Parsed<typeof flags>
export type SteerPartInput = Parsed<typeof ofRunFlags>

const load = () => import("./steer.ts")

export const steeringCommands = [
  command({
    name: "stop",
    summary: "finish the step, save and end a run; waits until it has",
    operand: oneRun,
    flags,
    examples: [{ command: "rae stop photos", does: "`rae run` with its config goes on from there" }],
    load: async () => (await import("./stop.ts")).stop
  }),
  command({
    name: "pause",
    summary: "hold a run before its next step; it keeps its memory and answers",
    operand: oneRun,
    flags,
    examples: [{ command: "rae pause photos", does: "the cores are free for a while; `rae resume photos` goes on" }],
    load: async () => (await load()).pause
  }),
  command({
    name: "resume",
    summary: "let a paused run go on",
    operand: oneRun,
    flags,
    examples: [{ command: "rae resume photos", does: "a run that has ended goes on with `rae run` instead" }],
    load: async () => (await load()).resume
  }),
  command({
    name: "restart",
    summary: "restart one actor of a run, or its engine, as after a crash",
    operand: { name: "ACTOR", help: "as `rae status` lists it: engine, generator, data_loader, …", required: true },
    flags: ofRunFlags,
    examples: [
      { command: "rae restart data_loader", does: "alone; it holds nothing that cannot be computed again" },
      { command: "rae restart engine --run photos", does: "from the last checkpoint; `rae ckpt save photos` first loses no step" }
    ],
    load: async () => (await load()).restart
  }),
  command({
    name: "inject",
    summary: "make a fault in a run whose config allows it (supervision.allow_inject), for rehearsals",
    operand: { name: "FAULT", help: `${faultNames.map((name) => (name.endsWith(":") ? `${name}ACTOR` : name)).join(", ")}; \`rae explain faults\` says what each does`, required: true, completes: "fault" },
    flags: ofRunFlags,
    examples: [
      { command: "rae inject engine-kill", does: "does it come back? `rae events -f` shows it" },
      { command: "rae inject crash:generator --run trial", does: "generator, discriminator and average start again together" }
    ],
    load: async () => (await load()).inject
  })
] as const
