/** A process that saves and prunes until a failpoint kills it: `node checkpoint-commit-process.ts DIRECTORY`, with RAE_FAILPOINT. */
import * as Effect from "effect/Effect"
import { open } from "../src/checkpoint/store.ts"
import { save } from "./checkpoint-fake-engine.ts"

/** The fourth save replaces the third: its step is reached a second time. */
export const saves = [{ step: 1, scale: 1 }, { step: 2, scale: 1 }, { step: 3, scale: 1 }, { step: 3, scale: 2 }, { step: 4, scale: 1 }]

if (import.meta.main) {
  const store = await Effect.runPromise(open({ directory: process.argv[2]!, retention: { keep_last: 2, keep_every: null } }))
  for (const { step, scale } of saves) await Effect.runPromise(Effect.andThen(save(store, step, scale), store.prune))
}
