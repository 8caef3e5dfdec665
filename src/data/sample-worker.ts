/** The thread of sample-pool.ts: makes samples, off the thread that drives training. */
import { parentPort } from "node:worker_threads"
import { CorruptSample } from "./corrupt-sample.ts"
import { makeSample, type SampleJob } from "./sample-job.ts"
import type { Sample } from "./source.ts"

export interface Request {
  readonly id: number
  readonly job: SampleJob
}

/** Errors lose their class on the way, so that a corrupt sample travels as its fields. */
export type Reply =
  | { readonly id: number; readonly kind: "sample"; readonly sample: Sample }
  | { readonly id: number; readonly kind: "corrupt"; readonly fields: Pick<CorruptSample, "index" | "path" | "problem" | "reason"> }
  | { readonly id: number; readonly kind: "failed"; readonly message: string }

const reply = async ({ id, job }: Request): Promise<Reply> => {
  try {
    return { id, kind: "sample", sample: await makeSample(job) }
  } catch (cause) {
    if (!(cause instanceof CorruptSample)) return { id, kind: "failed", message: String(cause) }
    const { index, path, problem, reason } = cause
    return { id, kind: "corrupt", fields: { index, path, problem, reason } }
  }
}

parentPort?.on("message", async (request: Request) => {
  const answer = await reply(request)
  parentPort?.postMessage(answer, answer.kind === "sample" ? [answer.sample.pixels.buffer as ArrayBuffer] : [])
})
