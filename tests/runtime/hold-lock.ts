/** Claims a run directory, says so or why not, and holds it until it is killed. */
import * as Effect from "effect/Effect"
import { claimRunDir } from "../../src/runtime/lock.ts"

const dir = process.argv[2] ?? ""
const staysAlive = setInterval(() => undefined, 60_000)
await Effect.runPromise(claimRunDir(dir).pipe(
  Effect.match({ onFailure: (error) => error._tag, onSuccess: () => "claimed" }),
  Effect.tap((outcome) => Effect.sync(() => process.stdout.write(`${outcome}\n`))),
  Effect.flatMap((outcome) => outcome === "claimed" ? Effect.never : Effect.void),
  Effect.scoped
))
clearInterval(staysAlive)
