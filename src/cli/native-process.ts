/** A process that computes for a command, since nothing native is loaded here: it reads its request as JSON, and answers in lines of JSON. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { forEngine } from "../../actors/engine-environment.ts"
import type { ProcessFailure } from "../../actors/process-failure.ts"

const programs = join(import.meta.dirname, "../../actors")

/** What such a process could not do, under the name of its own error. */
export class ProcessFailed extends Error {
  readonly _tag: string | undefined
  readonly help: string | undefined
  readonly exitCode: number
  constructor({ exitCode, help, message, tag }: ProcessFailure) {
    super(message)
    this._tag = tag ?? undefined
    this.help = help ?? undefined
    this.exitCode = exitCode
  }
}

export interface NativeProcess<Line> {
  readonly lines: AsyncIterable<Line>
  /** How it ended, for people: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>
  readonly signal: (signal: NodeJS.Signals) => void
}

/** `program`: a file of actors/; `device`: as the user names it. */
export const startNative = <Line>(program: string, device: string, request: unknown): NativeProcess<Line> => {
  const child = spawn(process.execPath, [join(programs, program)], { env: { ...process.env, ...forEngine(device) }, stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.on("error", () => undefined) // one that is gone already is heard of by its end
  child.stdin.end(JSON.stringify(request))
  const ended = new Promise<string>((done) => {
    child.once("error", (cause) => { done(cause.message) })
    child.once("close", (code, signal) => { done(signal ?? `exit code ${code}`) })
  })
  const lines = async function*(): AsyncGenerator<Line> {
    for await (const text of createInterface({ input: child.stdout })) yield JSON.parse(text) as Line
  }
  return { lines: lines(), ended, signal: (signal) => void child.kill(signal) }
}
