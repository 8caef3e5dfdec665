/**
 * One child process: Node on an entry file, in a process group of its own (Ctrl-C reaches only us), with three pipes more:
 * fd 3 for requests, fd 4 for its heartbeat, fd 5 for its call stack. Knows how to start it, see it end, and end it.
 */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import type { Duplex, Readable } from "node:stream"
import { ChildExited, SpawnFailed } from "./child-error.ts"
import { makeLineSplitter, makeTail } from "./lines.ts"
import { stackFd } from "./stack-reporter.ts"

export interface ProcessOptions {
  readonly name: string
  /** A TypeScript or JavaScript file, run by this Node. */
  readonly entry: string
  readonly args?: ReadonlyArray<string> | undefined
  readonly execArgv?: ReadonlyArray<string> | undefined
  /** The whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string | undefined
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void
}

export interface RunningProcess {
  readonly pid: number
  readonly requests: Duplex
  readonly heartbeat: Readable
  readonly stack: Duplex
  readonly exited: Effect.Effect<ChildExited>
  readonly isOver: () => boolean
  /** To the whole process group; nothing happens when it is over. */
  readonly kill: (signal: NodeJS.Signals) => void
}

const stderrLines = 20
/** How long after the end its last words may take: another process may hold its stderr open. */
const lastWordsMillis = 100

export const startProcess = (options: ProcessOptions): Effect.Effect<RunningProcess, SpawnFailed> =>
  Effect.callback<RunningProcess, SpawnFailed>((resume) => {
    const failed = (error: unknown) =>
      resume(Effect.fail(new SpawnFailed({ name: options.name, reason: error instanceof Error ? error.message : String(error) })))
    try {
      const child = spawn(process.execPath, [...(options.execArgv ?? []), options.entry, ...(options.args ?? [])], {
        env: { ...options.env }, cwd: options.cwd, detached: true, stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe"]
      })
      const running = observe(child, options)
      child.once("error", failed)
      child.once("spawn", () => resume(Effect.succeed(running(child.pid as number))))
    } catch (error) {
      failed(error)
    }
  })

const observe = (child: ChildProcess, { name, onLine }: ProcessOptions) => {
  const tail = makeTail(stderrLines)
  forward(child.stdout as Readable, (line) => onLine("stdout", line))
  forward(child.stderr as Readable, (line) => {
    tail.push(line)
    onLine("stderr", line)
  })
  const stack = (child.stdio as ReadonlyArray<unknown>)[stackFd] as Duplex // libuv makes every such pipe a socket, open both ways
  stack.resume() // nobody reads it until there is a question, and its end must be seen
  // a pipe that breaks is the process ending, which is reported once, by its exit
  for (const stream of child.stdio) stream?.on("error", () => undefined)

  let over: ChildExited | undefined
  const listeners = new Set<(exited: ChildExited) => void>()
  const settle = (pid: number, code: number | null, signal: NodeJS.Signals | null) => {
    if (over !== undefined) return
    over = new ChildExited({ name, pid, code, signal, stderr: tail.lines() })
    killGroup(pid, "SIGKILL") // what it started itself must not outlive it
    for (const listener of listeners) listener(over)
    listeners.clear()
  }
  child.once("exit", (code, signal) => {
    const pid = child.pid as number
    const timer = setTimeout(() => settle(pid, code, signal), lastWordsMillis)
    child.once("close", () => {
      clearTimeout(timer)
      settle(pid, code, signal)
    })
  })

  return (pid: number): RunningProcess => ({
    pid,
    requests: child.stdio[3] as Duplex,
    heartbeat: child.stdio[4] as Readable,
    stack,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    exited: Effect.callback<ChildExited>((resume) => {
      if (over !== undefined) return resume(Effect.succeed(over))
      const listener = (exited: ChildExited) => resume(Effect.succeed(exited))
      listeners.add(listener)
      return Effect.sync(() => listeners.delete(listener))
    }),
    kill: (signal) => {
      if (child.exitCode === null && child.signalCode === null) killGroup(pid, signal)
    }
  })
}

const forward = (stream: Readable, onLine: (line: string) => void) => {
  const splitter = makeLineSplitter(onLine)
  stream.on("data", splitter.push)
  stream.once("end", splitter.end)
}

/** The child leads its group; the signal reaches whatever it has started too. */
const killGroup = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(-pid, signal)
  } catch {
    // nobody left in the group
  }
}
