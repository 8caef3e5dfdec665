/**
 * Makes samples in threads of their own. Resizing one photograph takes 1 to 3 ms of JavaScript, and the thread that asks is the
 * one that drives libtorch.
 *
 * The threads start with the first sample, keep no process alive, and are shared by all sources that are given the pool. One
 * that dies fails what it had in hand; the next sample starts another.
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import { CorruptSample } from "./corrupt-sample.ts"
import { makeSample, type SampleMaker } from "./sample-job.ts"
import type { Reply, Request } from "./sample-worker.ts"
import type { Sample } from "./source.ts"

/** A thread makes 300 crops of 256 pixels a second; most cores belong to libtorch. */
const mostThreads = Math.max(1, Math.floor(availableParallelism() / 4))

interface Asked {
  readonly resolve: (sample: Sample) => void
  readonly reject: (cause: Error) => void
}

interface Thread {
  readonly worker: Worker
  readonly asked: Map<number, Asked>
}

const start = (pool: Array<Thread | undefined>, slot: number): Thread => {
  const asked = new Map<number, Asked>()
  const worker = new Worker(new URL("./sample-worker.ts", import.meta.url))
  const thread: Thread = { worker, asked }
  const fail = (cause: Error): void => {
    if (pool[slot] === thread) pool[slot] = undefined
    for (const { reject } of asked.values()) reject(cause)
    asked.clear()
  }
  worker.on("message", (reply: Reply) => {
    const waiting = asked.get(reply.id)
    asked.delete(reply.id)
    if (asked.size === 0) worker.unref()
    if (reply.kind === "sample") waiting?.resolve(reply.sample)
    else waiting?.reject(reply.kind === "corrupt" ? new CorruptSample(reply.fields) : new Error(reply.message))
  })
  worker.on("error", (cause) => fail(cause instanceof Error ? cause : new Error(String(cause))))
  worker.on("exit", (code) => fail(new Error(`image thread ended with code ${code}`)))
  return pool[slot] = thread
}

/** As makeSample, in one of at most so many threads; with 0 in the thread that asks. */
export const samplePool = (wanted: number): SampleMaker => {
  if (wanted === 0) return makeSample
  const threads = Math.min(wanted, mostThreads)
  const pool: Array<Thread | undefined> = []
  let serial = 0
  return (job) => {
    const id = serial++
    const slot = id % threads
    const { asked, worker } = pool[slot] ?? start(pool, slot)
    return new Promise((resolve, reject) => {
      asked.set(id, { resolve, reject })
      worker.ref()
      worker.postMessage({ id, job } satisfies Request, [])
    })
  }
}
