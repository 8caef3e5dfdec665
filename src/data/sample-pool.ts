/**
 * Makes samples in processes of their own. Resizing one photograph takes 1 to 3 ms of JavaScript, and the thread that asks is the one that
 * drives libtorch; and where an image crashes the decoder, a process is all that it takes along.
 *
 * The processes start at once, beside whatever the asker has to load first; they keep no other alive, end with the one that asks, and are
 * shared by all sources that are given the pool. When one dies, what it had in hand is made again, one sample at a time: the one with which it
 * dies once more is the cause.
 */
import { type ChildProcess, fork } from "node:child_process"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { CorruptSample } from "./corrupt-sample.ts"
import { makeSample, type SampleJob, type SampleMaker } from "./sample-job.ts"
import type { Reply, Request } from "./sample-process.ts"
import type { Sample } from "./source.ts"

/** A process makes 300 crops of 256 pixels a second; most cores belong to libtorch. */
const mostProcesses = Math.max(1, Math.floor(availableParallelism() / 4))

interface Asked {
  readonly job: SampleJob
  readonly resolve: (sample: Sample) => void
  readonly reject: (cause: Error) => void
  /** It was in hand when a process died. */
  suspect: boolean
}

/** One process after another, as they die, and what is asked of them. */
const decoder = (entry: string) => {
  const waiting: Array<Asked> = []
  const inHand = new Map<number, Asked>()
  let suspects = 0
  let serial = 0
  let running: { readonly child: ChildProcess; isUp: boolean } | undefined

  const send = (child: ChildProcess) => {
    const most = suspects === 0 ? Number.POSITIVE_INFINITY : 1
    while (waiting.length > 0 && inHand.size < most) {
      const asked = waiting.shift()!
      const id = serial++
      inHand.set(id, asked)
      child.send({ id, job: asked.job } satisfies Request, () => undefined) // one that is gone is heard of by its exit
    }
  }

  const start = (): ChildProcess => {
    const child = fork(entry, { serialization: "advanced", execArgv: [], stdio: ["ignore", "ignore", "ignore", "ipc"] })
    const started = { child, isUp: false }
    running = started
    child.on("message", (reply: Reply) => {
      started.isUp = true
      if (reply.kind === "ready") return
      const asked = inHand.get(reply.id)
      if (asked === undefined) return
      inHand.delete(reply.id)
      if (asked.suspect) suspects--
      if (reply.kind === "sample") asked.resolve(reply.sample)
      else asked.reject(reply.kind === "corrupt" ? new CorruptSample(reply.fields) : new Error(reply.message))
      if (waiting.length > 0) send(child)
      else if (inHand.size === 0) letGo(child)
    })
    child.once("error", (cause) => {
      if (child.pid !== undefined) return // its exit follows
      running = undefined
      over(false, cause.message)
    })
    child.once("close", (code, signal) => {
      if (running === started) running = undefined
      over(started.isUp, `${signal ?? `code ${code}`}`)
    })
    return child
  }

  const over = (wasUp: boolean, how: string) => {
    const held = [...inHand.values()]
    inHand.clear()
    if (!wasUp) {
      // The decoder itself does not start: no image is to blame.
      for (const asked of [...held, ...waiting.splice(0)]) asked.reject(new Error(`image process ended with ${how} before it could serve`))
      suspects = 0
      return
    }
    const [alone] = held
    if (held.length === 1 && alone!.suspect) {
      suspects--
      alone!.reject(new CorruptSample({ index: alone!.job.index, path: alone!.job.path, problem: "corrupt", reason: `corrupt: it crashes the decoder (${how})` }))
    } else {
      for (const asked of held) if (!asked.suspect) { asked.suspect = true; suspects++ }
      waiting.unshift(...held)
    }
    if (waiting.length > 0) send(hold(start()))
  }

  letGo(start())
  return (job: SampleJob): Promise<Sample> => new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject, suspect: false })
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

const defaultEntry = fileURLToPath(new URL("./sample-process.ts", import.meta.url))

/** As makeSample, in one of at most so many processes; with 0 in the thread that asks. `entry` is what the processes run. */
export const samplePool = (wanted: number, entry: string = defaultEntry): SampleMaker => {
  if (wanted === 0) return makeSample
  const decoders = Array.from({ length: Math.min(wanted, mostProcesses) }, () => decoder(entry))
  let turn = 0
  return (job) => decoders[turn++ % decoders.length]!(job)
}
