/**
 * One image process after another, as they end, and what is asked of them.
 *
 * What a process had in hand when it ended is made again, one sample at a time, so that its next end has one sample to it. How it ended decides what
 * that means: a crash of its own is the image's doing; so is hanging twice; being killed from outside (by a user, or by the kernel for want of
 * memory) is nobody's, and the sample is asked for again, a few times.
 */
import { type ChildProcess, fork } from "node:child_process"
import { CorruptSample } from "./corrupt-sample.ts"
import type { SampleJob } from "./sample-job.ts"
import type { Reply, Request } from "./sample-process.ts"
import type { Sample } from "./source.ts"

/** Without a sample for so long, a process that has some in hand hangs: the largest image that is let in takes some seconds. */
export const patienceMillis = 30_000
/**
 * Time counts in pieces, and a piece only once it was lived through: where this thread is held up in a training step, answers lie in the pipe, and
 * its timers fire before it reads them.
 */
const pieces = 10
/** How often a process may be killed at one sample. */
const mostKills = 2

/** How a process can end by its own fault: SIGABRT is an assertion or an allocation of libvips', SIGTRAP one of V8's. */
const crashes = new Set<NodeJS.Signals>(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS"])

interface Asked {
  readonly job: SampleJob
  readonly resolve: (sample: Sample) => void
  readonly reject: (cause: Error) => void
  /** It was in hand when a process ended. */
  suspect: boolean
  hangs: number
  kills: number
}

interface Running {
  readonly child: ChildProcess
  isUp: boolean
  isHung: boolean
}

interface End {
  readonly kind: "crashed" | "hung" | "killed"
  readonly how: string
}

/** One that hangs before it is up has seen no image. */
const endOf = ({ isHung, isUp }: Running, code: number | null, signal: NodeJS.Signals | null): End => {
  const crashed = signal === null ? code !== 0 : crashes.has(signal)
  return { kind: isHung ? isUp ? "hung" : "killed" : crashed ? "crashed" : "killed", how: signal ?? `code ${code}` }
}

const corrupt = ({ job: { index, path } }: Asked, what: string) => new CorruptSample({ index, path, problem: "corrupt", reason: `corrupt: ${what}` })

/** What is to be said of a sample with which alone a process ended; undefined: it is to be made again. */
const verdict = (asked: Asked, { kind, how }: End): Error | undefined => {
  if (kind === "crashed") return asked.suspect ? corrupt(asked, `it crashes the decoder (${how})`) : undefined
  if (kind === "hung") return asked.hangs > 1 ? corrupt(asked, `the decoder hangs on it (no answer in ${patienceMillis / 1000} s, twice)`) : undefined
  return asked.kills > mostKills ? new Error(`image process was killed (${how}) ${asked.kills} times at ${asked.job.path}; the kernel does so where memory is short`) : undefined
}

/** Its process is up at once, keeps this one alive only while something is asked of it, and ends with it. `entry` is what it runs. */
export const sampleDecoder = (entry: string): (job: SampleJob) => Promise<Sample> => {
  const waiting: Array<Asked> = []
  const inHand = new Map<number, Asked>()
  let suspects = 0
  let serial = 0
  let running: Running | undefined
  let stillPieces = 0
  let clock: NodeJS.Timeout | undefined

  const watch = () => {
    if (inHand.size === 0) {
      clearInterval(clock)
      clock = undefined
    } else clock ??= setInterval(look, patienceMillis / pieces).unref()
  }
  const look = () => {
    if (++stillPieces <= pieces || running === undefined) return
    stillPieces = 0
    running.isHung = true
    running.child.kill("SIGKILL")
  }

  const send = (child: ChildProcess) => {
    const most = suspects === 0 ? Number.POSITIVE_INFINITY : 1
    while (waiting.length > 0 && inHand.size < most) {
      const asked = waiting.shift()!
      const id = serial++
      if (inHand.size === 0) stillPieces = 0
      inHand.set(id, asked)
      child.send({ id, job: asked.job } satisfies Request, () => undefined) // one that is gone is heard of by its exit
    }
    watch()
  }

  const start = (): ChildProcess => {
    const child = fork(entry, { serialization: "advanced", execArgv: [], stdio: ["ignore", "ignore", "ignore", "ipc"] })
    const started: Running = { child, isUp: false, isHung: false }
    running = started
    child.on("message", (reply: Reply) => {
      stillPieces = 0
      started.isUp = true
      if (reply.kind === "ready") return
      const asked = inHand.get(reply.id)
      if (asked === undefined) return
      inHand.delete(reply.id)
      if (asked.suspect) suspects--
      if (reply.kind === "sample") asked.resolve(reply.sample)
      else asked.reject(reply.kind === "corrupt" ? new CorruptSample(reply.fields) : new Error(reply.message))
      send(child)
      if (inHand.size === 0) letGo(child)
    })
    child.once("error", (cause) => {
      if (child.pid !== undefined) return // its exit follows
      running = undefined
      giveUp(cause.message)
    })
    child.once("close", (code, signal) => {
      if (running === started) running = undefined
      const end = endOf(started, code, signal)
      if (!started.isUp && end.kind === "crashed") giveUp(end.how)
      else over(end)
    })
    return child
  }

  /** The decoder itself does not start: no image is to blame. */
  const giveUp = (how: string) => {
    for (const asked of [...inHand.values(), ...waiting.splice(0)]) asked.reject(new Error(`image process ended with ${how} before it could serve`))
    inHand.clear()
    suspects = 0
    watch()
  }

  const over = (end: End) => {
    const held = [...inHand.values()]
    inHand.clear()
    const [alone] = held
    if (end.kind === "hung") for (const asked of held) asked.hangs++
    if (end.kind === "killed" && held.length === 1) alone!.kills++
    const cause = held.length === 1 ? verdict(alone!, end) : undefined
    if (cause === undefined) {
      for (const asked of held) if (!asked.suspect) { asked.suspect = true; suspects++ }
      waiting.unshift(...held)
    } else {
      if (alone!.suspect) suspects--
      alone!.reject(cause)
    }
    if (waiting.length > 0) send(hold(start()))
    watch()
  }

  letGo(start())
  return (job) => new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject, suspect: false, hangs: 0, kills: 0 })
    send(hold(running?.child ?? start()))
  })
}

/** Keeps this process alive while something is asked of that one. */
const hold = (child: ChildProcess): ChildProcess => {
  child.ref()
  child.channel?.ref()
  return child
}
const letGo = (child: ChildProcess): void => {
  child.unref()
  child.channel?.unref()
}
