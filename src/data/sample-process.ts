/** The process of sample-pool.ts: makes samples, off the thread that drives training and out of its process. */
import { CorruptSample } from "./corrupt-sample.ts"
import { makeSample, type SampleJob, type SampleMaker } from "./sample-job.ts"
import type { Sample } from "./source.ts"

export interface Request {
  readonly id: number
  readonly job: SampleJob
}

/** Errors lose their class on the way, so that a corrupt sample travels as its fields. */
export type Reply =
  | { readonly kind: "ready" }
  | { readonly id: number; readonly kind: "sample"; readonly sample: Sample }
  | { readonly id: number; readonly kind: "corrupt"; readonly fields: Pick<CorruptSample, "index" | "path" | "problem" | "reason"> }
  | { readonly id: number; readonly kind: "failed"; readonly message: string }

/** Answers until whoever asks is gone. */
export const serveSamples = (make: SampleMaker): void => {
  const reply = async ({ id, job }: Request): Promise<Reply> => {
    try {
      return { id, kind: "sample", sample: await make(job) }
    } catch (cause) {
      if (!(cause instanceof CorruptSample)) return { id, kind: "failed", message: String(cause) }
      const { index, path, problem, reason } = cause
      return { id, kind: "corrupt", fields: { index, path, problem, reason } }
    }
  }
  const say = (said: Reply) => process.send?.(said, () => undefined)
  process.on("message", async (request: Request) => say(await reply(request)))
  process.once("disconnect", () => process.exit())
  say({ kind: "ready" })
}

if (import.meta.main) serveSamples(makeSample)
