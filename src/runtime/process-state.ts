/** What the kernel says a process is doing: the diagnosis of a hang, read before the process is killed. */
import { readdirSync, readFileSync } from "node:fs"

const states: Readonly<Record<string, string>> = {
  R: "running", S: "sleeping", D: "waiting for a device", T: "stopped", t: "stopped by a debugger", Z: "dead", I: "idle"
}

/** Of a process, or of one of its threads: `stopped`, `running`, `sleeping in futex_wait`. */
const stateIn = (directory: string): string => {
  const stat = read(`${directory}/stat`)
  if (stat === undefined) return "unknown"
  // the command name in front is in parentheses and may contain anything
  const letter = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3)
  const state = states[letter] ?? `in state ${letter}`
  const place = read(`${directory}/wchan`)
  return place === undefined || place === "" || place === "0" ? state : `${state} in ${place}`
}

export const processState = (pid: number): string => stateIn(`/proc/${pid}`)

const mostThreads = 16
const mostFrames = 4

/** The innermost frames of a thread's stack in the kernel, where this user may read it. */
const kernelStack = (directory: string): string => {
  const frames = [...(read(`${directory}/stack`) ?? "").matchAll(/^\[<[^>]*>\] (\w+)/gm)].slice(0, mostFrames).map(([, name]) => name)
  return frames.length === 0 ? "" : ` (${frames.join(" < ")})`
}

/** One line a thread, the main one first: its name, what it does, and its stack in the kernel. Empty where the process is gone. */
export const threadStates = (pid: number): ReadonlyArray<string> => {
  const threads = list(`/proc/${pid}/task`).map(Number).toSorted((a, b) => a - b)
  const lines = threads.slice(0, mostThreads).map((thread) => {
    const directory = `/proc/${pid}/task/${thread}`
    return `${read(`${directory}/comm`)?.trim() ?? "?"} ${thread}: ${stateIn(directory)}${kernelStack(directory)}`
  })
  return threads.length > mostThreads ? [...lines, `and ${threads.length - mostThreads} more`] : lines
}

const read = (path: string) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const list = (path: string) => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
