/**
 * Tensors in the engine belong to actors: what an operation makes belongs to its actor, what a reply carries becomes the asker's, and what a
 * dead incarnation left behind is reclaimed when the next one starts.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TensorError } from "../src/tensor/errors.ts"
import { move, reclaim, withOwner } from "../src/tensor/scope.ts"
import type { EngineChild } from "./tree.ts"

/** There is not the memory for an operation. The actor lives on, its state as it was but for what the operation had written by then. */
export class OutOfMemory extends Schema.TaggedError<OutOfMemory>()("OutOfMemory", { op: Schema.String, reason: Schema.String }) {
  override get message() { return this.reason }
}

export const isOutOfMemory = (cause: unknown): cause is TensorError => cause instanceof TensorError && cause.code === "out_of_memory"
export const outOfMemory = ({ message, op }: TensorError) => new OutOfMemory({ op, reason: message })

/** Runs plain synchronous work as the actor's: the tensors made in it are its own. But for a lack of memory a throw is a defect, and so a crash. */
export const owned = <A>(owner: EngineChild, work: () => A): Effect.Effect<A, OutOfMemory> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(withOwner(owner, work))
    } catch (cause) {
      return isOutOfMemory(cause) ? Effect.fail(outOfMemory(cause)) : Effect.die(cause)
    }
  })

/** The same for work that asks others on its way: what it makes itself between two questions is its owner's. */
export function* ownedBetween<Y, A>(owner: EngineChild, work: Generator<Y, A, never>): Generator<Y, A, never> {
  for (let sent: unknown; ;) {
    const { done, value } = withOwner(owner, () => work.next(sent as never))
    if (done === true) return value
    sent = yield value
  }
}

/** The reply's tensors become the asker's. */
export const adopted = <A, E>(owner: EngineChild, reply: Effect.Effect<A, E>): Effect.Effect<A, E> => Effect.tap(reply, (value) => Effect.sync(() => move(value, owner)))

/** The first thing that an incarnation does: free what the one before it held. */
export const reclaimed = (owner: EngineChild): Effect.Effect<void> => Effect.sync(() => { reclaim(owner) })
