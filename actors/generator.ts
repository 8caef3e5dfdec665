/** The generator's actor: the decoder under training behind a mailbox. */
import * as Effect from "effect/Effect"
import { actor } from "../src/runtime/actor.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { LatentNoise } from "../src/train/generator.ts"
import { faultable } from "./fault-points.ts"
import { owned, reclaimed } from "./ownership.ts"
import type { TrainingState } from "./training-state.ts"
import { engineChildren } from "./tree.ts"

export const generatorActor = (state: TrainingState) => actor({
  name: "generator", capacity: engineChildren.generator.capacity, mailbox: "emptied",
  init: Effect.gen(function*() {
    yield* reclaimed("generator")
    const role = yield* owned("generator", () => state.generator())
    return faultable("generator", {
      forward: (z: Tensor, noise: LatentNoise | null, microBatch: number) => owned("generator", () => role.forward(z, noise, microBatch)),
      adaptiveWeight: (gRec: Tensor, gAdv: Tensor, max: number) => owned("generator", () => role.adaptiveWeight(gRec, gAdv, max)),
      backward: (gRecon: Tensor) => owned("generator", () => role.backward(gRecon)),
      update: () => owned("generator", () => role.update()),
      weights: () => owned("generator", () => role.weights()),
      reconstruct: (z: Tensor, microBatch: number) => owned("generator", () => role.reconstruct(z, microBatch)),
      /** Lets go of a step that broke off. */
      abandoned: () => owned("generator", () => role.abandon()),
      /** Its tensors and counters, lent to whoever takes the snapshot at this step boundary. */
      saved: () => owned("generator", () => ({ state: role.state(), counters: role.counters() })),
      /** Goes back to the last snapshot. */
      restored: () => owned("generator", () => { state.restore(role) })
    })
  })
})
