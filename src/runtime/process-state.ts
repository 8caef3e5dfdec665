/** What the kernel says a process is doing: the diagnosis of a hang, read before the process is killed. */
import { readFileSync } from "node:fs"

const states: Readonly<Record<string, string>> = {
  R: "running", S: "sleeping", D: "waiting for a device", T: "stopped", t: "stopped by a debugger", Z: "dead", I: "idle"
}

export const processState = (pid: number): string => {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === undefined) return "unknown"
  // the command name in front is in parentheses and may contain anything
  const letter = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3)
  const state = states[letter] ?? `in state ${letter}`
  const place = read(`/proc/${pid}/wchan`)
  return place === undefined || place === "" || place === "0" ? state : `${state} in ${place}`
}

const read = (path: string) => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}
