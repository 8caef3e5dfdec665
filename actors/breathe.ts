/** What the trainer does between two steps, which are synchronous work: it lets requests, reports and the loader have their turn. */
import * as Effect from "effect/Effect"

/** Turns of the event loop that a request takes from the pipe to its handler, with some to spare; 10 µs each. */
const turns = 10

export const breathe = Effect.callback<void>((resume) => {
  let left = turns
  const turn = () => {
    left--
    if (left === 0) resume(Effect.void)
    else setImmediate(turn)
  }
  setImmediate(turn)
})
