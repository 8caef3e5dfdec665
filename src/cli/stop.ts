/** `rae stop [RUN]`: asks a run to finish its step, save and end, and waits until it has. */
import { setTimeout as sleep } from "node:timers/promises"
import { askControl, NotRunning } from "../runtime/control-client.ts"
import { findRun, runsDirectory } from "./run-directory.ts"
import { notRunning } from "./steer.ts"
import type { SteerInput } from "./steering-commands.ts"
import type { Terminal } from "./terminal.ts"

const pollMillis = 100

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
  while (await answers(run.home)) await sleep(pollMillis)
  if (values.json) terminal.out(JSON.stringify({ schema: 1, name: run.name, state: "stopped" }))
  else terminal.err(`${run.name}: stopped`)
  return 0
}
