/** Verification as an Effect: small checkpoints in this process, large ones in a short-lived process of their own. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { occupiedBytes } from "./layout.ts"
import { attempt } from "./storage-errors.ts"
import { type Depth, Verification, verifyDirectory } from "./verify.ts"

/** Starting a process takes 0.3 s, hashing this much 0.03 s. */
export const inProcessBytes = 64 * 2 ** 20

export interface Options {
  readonly depth?: Depth
  /** Checkpoints smaller than this are verified in this process. */
  readonly inProcessBytes?: number
}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Verification))

/** Output of the process; undefined where it did not end well (killed, out of memory), which says nothing about the checkpoint. */
const runProcess = (directory: string, depth: Depth) =>
  Effect.callback<string | undefined>((resume) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "verify-process.ts"), directory, depth], { stdio: ["pipe", "pipe", "ignore"] })
    const output: Array<Buffer> = []
    child.stdin.on("error", () => undefined)
    child.stdout.on("data", (chunk: Buffer) => void output.push(chunk))
    child.on("error", () => resume(Effect.undefined))
    child.on("close", (code) => resume(Effect.succeed(code === 0 ? Buffer.concat(output).toString() : undefined)))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

/** Every problem of a checkpoint's directory. Fails only where nobody could look. */
export const verify = Effect.fnUntraced(function*(directory: string, options: Options = {}) {
  const depth = options.depth ?? "full"
  const inProcess = attempt("verify", directory, () => verifyDirectory(directory, depth))
  if (depth === "quick") return yield* inProcess
  const bytes = yield* Effect.promise(() => occupiedBytes(directory).catch(() => 0))
  if (bytes < (options.inProcessBytes ?? inProcessBytes)) return yield* inProcess
  const output = yield* runProcess(directory, depth)
  return yield* output === undefined ? inProcess : decode(output).pipe(Effect.catch(() => inProcess))
})
