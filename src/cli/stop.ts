/** `rae stop [RUN]`: asks a run to finish its step, save and end, waits until it has, and says how it ended. */
import { setTimeout as sleep } from "node:timers/promises"
import { askControl, NoAnswer, NotRunning } from "../runtime/control-client.ts"
import { count } from "./quantities.ts"
import { findRun, openRun, runsDirectory } from "./run-directory.ts"
import { notRunning } from "./steer.ts"
import type { SteerInput } from "./steering-commands.ts"
import type { Terminal } from "./terminal.ts"

const pollMillis = 100

/** False once nobody is there. One that is ending cuts off whoever asks at that moment, and one that is busy is late: both are there. */
const isThere = async (dir: string): Promise<boolean> => {
  try {
    return await answers(dir)
  } catch (error) {
    if (error instanceof NoAnswer) return true
    throw error
  }
}

/** True while somebody answers. */
const answers = async (dir: string): Promise<boolean> => {
  try {
    await askControl({ dir, path: "/status" })
    return true
  } catch (error) {
    if (error instanceof NotRunning) return false
    throw error
  }
}

export const stop = async ({ operand, values }: SteerInput, terminal: Terminal): Promise<number> => {
  const run = findRun(operand, runsDirectory(values["runs-dir"]))
  if (!(await answers(run.home))) return notRunning(run, terminal)
  await askControl({ dir: run.home, method: "POST", path: "/stop" })
  terminal.err(`${run.name}: finishing the step and saving`)
  while (await isThere(run.home)) await sleep(pollMillis)
  // It may have taken its last step meanwhile, or have been killed instead of ending.
  const left = openRun(run.home)?.description ?? run.description
  const state = left.state === "running" ? "died" : left.state
  if (values.json) terminal.out(JSON.stringify({ schema: 1, name: run.name, state }))
  else terminal.err(`${run.name}: ${state === "died" ? "ended without saying why" : `${state} at step ${count(left.step)}`}`)
  return state === "stopped" || state === "done" ? 0 : 1
}
