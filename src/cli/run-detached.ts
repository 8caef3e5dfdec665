/** `rae run … --detach`: the same command in the background, in a session of its own, with its lines in a log file. */
import { spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs"
import { basename, dirname, extname, join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Status } from "../../actors/status.ts"
import { askControl } from "../runtime/control-client.ts"
import type { RunInput } from "./commands.ts"
import { runsDirectory } from "./run-directory.ts"
import type { Terminal } from "./terminal.ts"

const pollMillis = 100
const lastLines = 20

/** Does this very process answer for the run? Another one may have it. */
const answersAs = (pid: number | undefined, dir: string): Promise<boolean> =>
  askControl({ dir, path: "/status" }).then((status) => (status as Status).pid === pid, () => false)

/** The words of this command without `--detach`, as the process was given them. */
const sameCommand = (): ReadonlyArray<string> => {
  const words = process.argv.slice(1)
  const end = words.indexOf("--")
  return words.filter((word, i) => word !== "--detach" || (end >= 0 && i > end))
}

/** Removes `dir` and the directories above it up to `last`, as long as nothing is in them. */
const removeEmpty = (dir: string, last: string): void => {
  try {
    rmdirSync(dir)
    if (dir !== last) removeEmpty(dirname(dir), last)
  } catch {
    // somebody has put something there: it is theirs now
  }
}

/** Waits until the run trains, or has ended; its wrong input is told here, as if it had run in the foreground. */
export const runDetached = async ({ operand: configFile = "", values }: RunInput, terminal: Terminal): Promise<number> => {
  const runsDir = resolve(runsDirectory(values["runs-dir"]))
  const name = values.name ?? basename(configFile, extname(configFile))
  const log = join(runsDir, `${name}.log`)
  const made = mkdirSync(dirname(log), { recursive: true })
  const before = statSync(log, { throwIfNoEntry: false })?.size ?? 0
  const began = openSync(log, "a", 0o644)
  const child = spawn(process.execPath, [...process.execArgv, ...sameCommand()], { detached: true, stdio: ["ignore", began, began] })
  closeSync(began)
  const { pid } = child
  const ended: Array<number> = []
  child.once("error", () => ended.push(1))
  child.once("exit", (code) => ended.push(code ?? 1))
  while (ended.length === 0 && !(await answersAs(pid, join(runsDir, name)))) await sleep(pollMillis)
  const [code] = ended
  if (code !== undefined) {
    for (const line of readFileSync(log).toString("utf8", before).trimEnd().split("\n").slice(-lastLines)) terminal.err(line)
    if (code === 0) return 0
    // Nothing new is left where nothing began; what was there before, or is another run's, stays.
    if (before === 0) rmSync(log, { force: true })
    if (made !== undefined) removeEmpty(dirname(log), made)
    return code
  }
  child.unref()
  if (values.json) terminal.out(JSON.stringify({ schema: 1, name, pid, log }))
  else {
    terminal.out(name)
    for (const line of [`training in the background, pid ${pid}`, `  rae status ${name} -w     one screen, every second`, `  rae events ${name} -f     what happens`, `  tail -f ${log}`, `  rae stop ${name}          saves and ends it`]) terminal.err(line)
  }
  return 0
}
