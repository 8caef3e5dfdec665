/**
 * Tensors in the engine belong to actors: what an operation makes belongs to its actor, what a reply carries becomes the asker's, and what a
 * dead incarnation left behind is reclaimed when the next one starts.
 */
import * as Effect from "effect/Effect"
import { move, reclaim, withOwner } from "../src/tensor/scope.ts"
import type { EngineChild } from "./tree.ts"

/** Runs plain synchronous work as the actor's: the tensors made in it are its own. A throw is a defect, and so a crash. */
export const owned = <A>(owner: EngineChild, work: () => A): Effect.Effect<A> => Effect.sync(() => withOwner(owner, work))

/** The reply's tensors become the asker's. */
export const adopted = <A, E>(owner: EngineChild, reply: Effect.Effect<A, E>): Effect.Effect<A, E> => Effect.tap(reply, (value) => Effect.sync(() => move(value, owner)))

/** The first thing that an incarnation does: free what the one before it held. */
export const reclaimed = (owner: EngineChild): Effect.Effect<void> => Effect.sync(() => { reclaim(owner) })
