/**
 * Makes samples in processes of their own. Resizing one photograph takes 1 to 3 ms of JavaScript, and the thread that asks is the one that
 * drives libtorch; and where an image crashes the decoder, a process is all that it takes along.
 *
 * The processes start at once, beside whatever the asker has to load first; they keep no other alive, end with the one that asks, and are
 * shared by all sources that are given the pool.
 */
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { sampleDecoder } from "./sample-decoder.ts"
import { makeSample, type SampleMaker } from "./sample-job.ts"

/** A process makes 300 crops of 256 pixels a second; most cores belong to libtorch. */
const mostProcesses = Math.max(1, Math.floor(availableParallelism() / 4))

const defaultEntry = fileURLToPath(new URL("./sample-process.ts", import.meta.url))

/** As makeSample, in one of at most so many processes; with 0 in the thread that asks. `entry` is what the processes run. */
export const samplePool = (wanted: number, entry: string = defaultEntry): SampleMaker => {
  if (wanted === 0) return makeSample
  const decoders = Array.from({ length: Math.min(wanted, mostProcesses) }, () => sampleDecoder(entry))
  let turn = 0
  return (job) => decoders[turn++ % decoders.length]!(job)
}
