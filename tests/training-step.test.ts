/** A step that finds no memory: all that it held is let go before the batch is taken again, the generator's graph above all. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { Batch } from "../actors/data-loader.ts"
import type { Options } from "../actors/trainer.ts"
import { OutOfMemory, owned } from "../actors/ownership.ts"
import { beginning } from "../actors/progress.ts"
import { makeTrainingStep } from "../actors/training-step.ts"
import { goldenHyperparameters, goldenRoles } from "../scripts/golden-step.ts"
import { live } from "../src/tensor/scope.ts"
import { openSafetensors } from "../src/tensor/weights.ts"

const path = resolve(import.meta.dirname, "golden/stage1_tiny.safetensors")

it.effect("is tried again with nothing of it alive", () => Effect.gen(function*() {
  using file = openSafetensors(path)
  const roles = goldenRoles(file, path, "fp32")
  const { discriminator, ema, encoder, generator, reconstruction } = roles
  const images = () => file.read("step0.in.images", {})
  const first = images(), z = encoder.features(first, 2)
  const [batch, tokens, width] = z.shape as readonly [number, number, number]
  for (const tensor of [first, z]) tensor.dispose()
  /** Bytes alive whenever a batch is asked for. */
  const alive: Array<number> = []
  let backwards = 0
  const session = { microBatch: batch, skipped: new Set<number>() }
  const options = {
    run: "r", config: { training: { global_seed: 0, global_batch_size: batch }, stage_1: { params: { noise_tau: 0.8 } }, gan: { loss: { disc_updates: 1 } } }, latentShape: [tokens, width], session, emit: () => undefined,
    setup: { hyperparameters: goldenHyperparameters(file), phasesAt: () => ({ lpips: true, adversarial: true, discriminator: true }) }, reconstruction, state: { progress: beginning },
    loader: { ask: { batch: () => Effect.suspend(() => {
      alive.push(live().bytes)
      return owned("data_loader", () => new Batch(images(), []))
    }) } },
    cache: { ask: { features: (...args: Parameters<typeof encoder.features>) => owned("feature_cache", () => ({ z: encoder.features(args[0], batch) })) } },
    generator: { ask: {
      forward: (...args: Parameters<typeof generator.forward>) => owned("generator", () => generator.forward(...args)),
      adaptiveWeight: (...args: Parameters<typeof generator.adaptiveWeight>) => owned("generator", () => generator.adaptiveWeight(...args)),
      backward: (...args: Parameters<typeof generator.backward>) => backwards++ === 0 ? Effect.fail(new OutOfMemory({ op: "fault", reason: "fault" })) : owned("generator", () => generator.backward(...args)),
      update: () => owned("generator", () => generator.update()), weights: () => owned("generator", () => generator.weights()),
      reconstruct: (...args: Parameters<typeof generator.reconstruct>) => owned("generator", () => generator.reconstruct(...args)),
      abandoned: () => owned("generator", () => generator.abandon())
    } },
    discriminator: { ask: {
      judge: (...args: Parameters<typeof discriminator.judge>) => owned("discriminator", () => discriminator.judge(...args)),
      learn: (...args: Parameters<typeof discriminator.learn>) => owned("discriminator", () => discriminator.learn(...args))
    } },
    ema: { ask: { follow: (...args: Parameters<typeof ema.follow>) => owned("ema", () => ema.follow(...args)) } }
  } as unknown as Options
  const { attempt } = makeTrainingStep(options)

  assert.deepStrictEqual(yield* attempt(beginning), { _tag: "Smaller", from: beginning })
  assert.strictEqual(session.microBatch, Math.ceil(batch / 2))
  assert.strictEqual((yield* attempt(beginning))._tag, "Done")
  assert.lengthOf(alive, 2)
  assert.strictEqual(alive[1], alive[0])

  for (const role of Object.values(roles)) role.dispose()
}))
