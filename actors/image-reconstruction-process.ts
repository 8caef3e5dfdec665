/** The process of `rae reconstruct`: a request on standard input, lines of JSON on standard output. A signal ends it after the batch at hand. */
import { readFileSync } from "node:fs"
import { dieWithParent } from "../src/tensor/heartbeat.ts"
import { reconstructImages } from "./image-reconstruction.ts"
import type { ReconstructionLine, ReconstructionRequest } from "./image-reconstruction-request.ts"
import { failureOf } from "./process-failure.ts"

let isStopped = false
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => { isStopped = true })
const say = (line: ReconstructionLine, then = () => {}): void => { process.stdout.write(`${JSON.stringify(line)}\n`, then) }

dieWithParent()
const last = await reconstructImages(JSON.parse(readFileSync(0, "utf8")) as ReconstructionRequest, { say, isStopped: () => isStopped })
  .catch((cause: unknown): ReconstructionLine => ({ kind: "failed", failure: failureOf(cause) }))
// image processes would keep this one alive
say(last, () => process.exit(0))
