/** The EMA's actor: the moving average of the generator's weights, which is evaluated and published. */
import * as Effect from "effect/Effect"
import { actor } from "../src/runtime/actor.ts"
import { detach } from "../src/tensor/grad.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { faultable } from "./fault-points.ts"
import { owned, reclaimed } from "./ownership.ts"
import type { TrainingState } from "./training-state.ts"
import { engineChildren } from "./tree.ts"

export const emaActor = (state: TrainingState) => actor({
  name: "ema", capacity: engineChildren.ema.capacity, mailbox: "emptied",
  init: Effect.gen(function*() {
    yield* reclaimed("ema")
    const role = yield* owned("ema", () => state.ema())
    return faultable("ema", {
      follow: (weights: ReadonlyMap<string, Tensor>) => owned("ema", () => role.follow(weights)),
      distance: (weights: ReadonlyMap<string, Tensor>) => owned("ema", () => role.distance(weights)),
      /** Aliases of the averaged weights; the asker frees them. */
      weights: () => owned("ema", () => new Map([...role.weights()].map(([name, weight]) => [name, detach(weight)] as const))),
      saved: () => owned("ema", () => ({ state: role.state(), counters: role.counters() })),
      /** Goes back to the last snapshot. */
      restored: () => owned("ema", () => { state.restore(role) })
    })
  })
})
