/** The discriminator's actor: heads under training on a frozen DINO, behind a mailbox. */
import * as Effect from "effect/Effect"
import { actor } from "../src/runtime/actor.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { faultable } from "./fault-points.ts"
import { owned, reclaimed } from "./ownership.ts"
import type { TrainingState } from "./training-state.ts"
import { engineChildren } from "./tree.ts"

export const discriminatorActor = (state: TrainingState) => actor({
  name: "discriminator", capacity: engineChildren.discriminator.capacity, mailbox: "emptied",
  init: Effect.gen(function*() {
    yield* reclaimed("discriminator")
    const role = yield* owned("discriminator", () => state.discriminator())
    return faultable("discriminator", {
      judge: (recon: Tensor, draws: Tensor, microBatch: number) => owned("discriminator", () => role.judge(recon, draws, microBatch)),
      learn: (fake: Tensor, images: Tensor, drawsFake: Tensor, drawsReal: Tensor, microBatch: number) =>
        owned("discriminator", () => role.learn(fake, images, drawsFake, drawsReal, microBatch)),
      saved: () => owned("discriminator", () => ({ state: role.state(), counters: role.counters() })),
      /** Goes back to the last snapshot. */
      restored: () => owned("discriminator", () => { state.restore(role) })
    })
  })
})
