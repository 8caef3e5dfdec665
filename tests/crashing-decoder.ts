/** A process of the sample pool in which some images crash the decoder: those that say so in their name. */
import { makeSample } from "../src/data/sample-job.ts"
import { serveSamples } from "../src/data/sample-process.ts"

serveSamples(async (job) => {
  if (job.path.includes("crash")) process.kill(process.pid, "SIGSEGV")
  return makeSample(job)
})
