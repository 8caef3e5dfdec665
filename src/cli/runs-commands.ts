/** `rae runs`: what there is, how it compares, what can go. */
import { moment, toggle, type Parsed } from "./arguments.ts"
import { command, givenRun, jsonFlag, runsDir, type Group } from "./command.ts"

const flags = { json: jsonFlag, "runs-dir": runsDir }
const pruneFlags = {
  done: toggle("runs that are done, too"), before: moment("TIME", "only what was last changed 30d ago or before a time"),
  yes: toggle("remove; without it, only say what would go"), ...flags
}

export type RunsInput = Parsed<typeof flags>
export type RunsPruneInput = Parsed<typeof pruneFlags>

export const runsCommands: Group = {
  name: "runs",
  summary: "all runs: list, compare, prune",
  byDefault: "list",
  commands: [
    command({
      name: "list",
      summary: "every run, newest first",
      flags,
      examples: [{ command: "rae runs", does: "what is there, and what of it runs" }],
      load: async () => (await import("./runs-list.ts")).listRuns
    }),
    command({
      name: "compare",
      summary: "results, speed and config differences of runs side by side",
      operand: { ...givenRun, many: true },
      flags,
      examples: [
        { command: "rae runs compare photos photos-2", does: "what was different, and what came of it" },
        { command: "rae runs compare ablation_lpips", does: "the variants of a study" }
      ],
      load: async () => (await import("./runs-compare.ts")).compareRuns
    }),
    command({
      name: "prune",
      summary: "remove runs that --fresh moved aside, and with --done those that are done",
      flags: pruneFlags,
      examples: [
        { command: "rae runs prune", does: "says what would go, and how large it is" },
        { command: "rae runs prune --done --before 30d --yes", does: "done, and untouched for a month: gone" }
      ],
      load: async () => (await import("./runs-prune.ts")).pruneRuns
    })
  ]
}
