/**
 * What a run says of itself on the disk (run.json, a study's table), kept up as well as the disk allows: a record that cannot be written
 * holds nothing up. It is told once, written again every few seconds, and a newer one for the same path takes its place.
 */
import * as Effect from "effect/Effect"

export interface Unwritten {
  readonly message: string
}

const retryEvery = "5 seconds"

/** Retries until the scope closes. `failed` hears of the first refusal of each path, not of every try. */
export const makeRecords = Effect.fnUntraced(function*(failed: (run: string, message: string) => void) {
  const waiting = new Map<string, Effect.Effect<void, Unwritten>>()
  const write = (path: string, run: string, record: Effect.Effect<void, Unwritten>): Effect.Effect<void> =>
    Effect.match(record, {
      onSuccess: () => void waiting.delete(path),
      onFailure: ({ message }) => {
        if (!waiting.has(path)) failed(run, message)
        waiting.set(path, record)
      }
    })
  const retry = Effect.suspend(() => Effect.forEach([...waiting], ([path, record]) => write(path, "", record), { discard: true }))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(retryEvery), retry)))
  return {
    write,
    /** One more try at what is not written yet, for the end of the run. */
    settle: retry
  }
})
