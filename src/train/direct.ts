/** The step over plain objects: parity, benchmarks and tests run it without actors. */
import type { Actors, Yieldable } from "./actors.ts"
import type { Discriminator } from "./discriminator.ts"
import type { Ema } from "./ema.ts"
import type { FrozenEncoder } from "./frozen-encoder.ts"
import type { Generator as ImageGenerator } from "./generator.ts"
import type { ReconstructionLoss } from "./reconstruction-loss.ts"

export interface Roles {
  readonly encoder: Pick<FrozenEncoder, "features">
  readonly generator: Pick<ImageGenerator, "forward" | "adaptiveWeight" | "backward" | "update" | "weights" | "reconstruct">
  readonly discriminator: Pick<Discriminator, "judge" | "learn">
  readonly ema: Pick<Ema, "follow">
  readonly reconstruction: Pick<ReconstructionLoss, "judge">
}

/** Yields nothing and gives the value of `call`. */
const at = <A>(call: () => A): Yieldable<never, A> => ({ *[Symbol.iterator]() { return call() } })

export const direct = ({ encoder, generator, discriminator, ema, reconstruction }: Roles): Actors<never> => ({
  encoder: { features: (...args) => at(() => encoder.features(...args)) },
  generator: {
    forward: (...args) => at(() => generator.forward(...args)),
    adaptiveWeight: (...args) => at(() => generator.adaptiveWeight(...args)),
    backward: (...args) => at(() => generator.backward(...args)),
    update: () => at(() => generator.update()),
    weights: () => at(() => generator.weights()),
    reconstruct: (...args) => at(() => generator.reconstruct(...args))
  },
  discriminator: {
    judge: (...args) => at(() => discriminator.judge(...args)),
    learn: (...args) => at(() => discriminator.learn(...args))
  },
  ema: { follow: (...args) => at(() => ema.follow(...args)) },
  reconstruction: { judge: (...args) => at(() => reconstruction.judge(...args)) }
})

/** Runs a step that yields nothing. */
export const runDirect = <A>(step: Generator<never, A, never>): A => {
  const result = step.next()
  if (result.done !== true) throw new Error("a direct step yielded")
  return result.value
}
