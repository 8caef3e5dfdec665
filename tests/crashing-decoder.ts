/**
 * A process of the sample pool in which some images end it or stop it, by their names: `crash` by itself, `killed` as if from outside, `hang`
 * by standing still. `once` does so the first time only. Each time leaves a line with the process's id in the file of that name.
 */
import { appendFileSync, existsSync } from "node:fs"
import { makeSample } from "../src/data/sample-job.ts"
import { serveSamples } from "../src/data/sample-process.ts"

const signals = { crash: "SIGSEGV", killed: "SIGKILL", hang: "SIGSTOP" } as const

serveSamples(async (job) => {
  for (const [name, signal] of Object.entries(signals)) {
    if (!job.path.includes(name) || (job.path.includes("once") && existsSync(job.path))) continue
    if (job.path.startsWith("/")) appendFileSync(job.path, `${process.pid}\n`)
    process.kill(process.pid, signal)
  }
  return makeSample(job)
})
