/** Real `rae` processes, as a user starts them, and what can be seen of them from outside. */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface RaeProcess {
  readonly pid: number
  readonly ended: Promise<Ended>
  readonly kill: (signal: NodeJS.Signals) => void
  /** What it has said on standard error, from a position on: there even while its disk is full. Only the newest is kept. */
  readonly said: (from?: number) => string
  readonly position: () => number
}

const keptCharacters = 256 * 1024

const bin = resolve(import.meta.dirname, "../bin/rae")
/** The user's own, as bin/rae has it: compiled code is the same wherever the other caches are. */
const compileCache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rae/compiled")

const running = new Set<RaeProcess>()
let allOver = false

/** Ends whatever was started, and whatever will be: engines die with their supervisor. */
export const killAll = (): void => {
  allOver = true
  for (const { kill } of running) kill("SIGKILL")
}

export const startRae = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>): RaeProcess => {
  const child = spawn(bin, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, NO_COLOR: "1", NODE_COMPILE_CACHE: compileCache, RAE_FAILPOINT: "", RAE_FAULT: "", ...env }
  })
  let said = ""
  let forgotten = 0
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text
    if (said.length < 2 * keptCharacters) return
    forgotten += said.length - keptCharacters
    said = said.slice(-keptCharacters)
  })
  const ended = new Promise<Ended>((done, failed) => {
    child.once("error", failed)
    child.once("close", (code, signal) => {
      running.delete(started)
      done({ code, signal })
    })
  })
  const started: RaeProcess = {
    pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal),
    said: (from = 0) => said.slice(Math.max(0, from - forgotten)), position: () => forgotten + said.length
  }
  running.add(started)
  if (allOver) started.kill("SIGKILL")
  return started
}

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "" // the process has ended
  }
}

/** A zombie whose parent has not asked for its end runs no more. */
export const isAlive = (pid: number): boolean => {
  const status = read(`/proc/${pid}/status`)
  return status !== "" && !/^State:\s+Z/m.test(status)
}

/** The engine of a supervisor that runs now; null while none has loaded its addon. */
export const engineOf = (supervisor: number): number | null =>
  read(`/proc/${supervisor}/task/${supervisor}/children`).split(" ").map(Number)
    .find((pid) => pid > 0 && read(`/proc/${pid}/cmdline`).includes("actors/engine.ts") && read(`/proc/${pid}/maps`).includes("rae.node")) ?? null

/** Resident memory in bytes and open files of a process; null once it has ended. */
export const usageOf = (pid: number): { readonly rss: number; readonly files: number } | null => {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1]
  const dir = `/proc/${pid}/fd`
  if (kilobytes === undefined || !existsSync(dir)) return null
  try {
    return { rss: Number(kilobytes) * 1024, files: readdirSync(dir).length }
  } catch {
    return null
  }
}

/** Waits until `found` gives something; null when the signal comes first. */
export const eventually = async <A>(found: () => A | null, signal: AbortSignal): Promise<A | null> => {
  while (!signal.aborted) {
    const value = found()
    if (value !== null) return value
    await sleep(5)
  }
  return null
}
