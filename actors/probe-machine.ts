/** Asks `machine-probe.ts` in a process of its own, in the environment that an engine would get. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import * as Environment from "./engine-environment.ts"
import type { MachineProbe } from "./machine-probe.ts"

/** Loading takes a second; a disk that is cold or a machine that is busy, many. */
const patienceMillis = 120_000

export type Probed = { readonly ok: true; readonly probe: MachineProbe; readonly environment: Readonly<Record<string, string>> } | { readonly ok: false; readonly reason: string }

export const probeMachine = async (env: NodeJS.ProcessEnv = process.env): Promise<Probed> => {
  const environment = Environment.forEngine("cpu", env)
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "machine-probe.ts")], {
    env: { ...env, ...environment }, stdio: ["ignore", "pipe", "pipe"], timeout: patienceMillis, killSignal: "SIGKILL"
  })
  const ended = new Promise<string | null>((resolve) => {
    child.once("error", (error) => resolve(error.message))
    child.once("close", (code, signal) => resolve(signal === null ? code === 0 ? null : `exit ${code}` : `ended by ${signal}`))
  })
  const [stdout, stderr, problem] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  if (problem === null) return { ok: true, probe: JSON.parse(stdout) as MachineProbe, environment }
  const words = stderr.trim().split("\n")
  return { ok: false, reason: `${problem}: ${(words.find((line) => /^\w*error: /i.test(line)) ?? words.at(-1) ?? "").trim()}` }
}
