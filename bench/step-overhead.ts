/** What actors cost a training step: the step over mailboxes against the step over plain calls, with roles that do nothing. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import { breathe } from "../actors/breathe.ts"
import { Report } from "../actors/engine-protocol.ts"
import { make as event } from "../actors/events.ts"
import { adopted, owned } from "../actors/ownership.ts"
import { actor } from "../src/runtime/actor.ts"
import { msgpack } from "../src/runtime/msgpack.ts"
import * as T from "../src/tensor/ops.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { direct, runDirect, type Roles } from "../src/train/direct.ts"
import { drawsFor } from "../src/train/draws.ts"
import { trainStep } from "../src/train/step.ts"

const rounds = 15
const stepsPerRound = 200
/** A run sends ten thousands: what it costs once the code is compiled. */
const eventsPerRound = 2000
const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const small = () => T.zeros([2, 1])
const update = { applied: true, gradNorm: 1, lr: 1 }
/** Every call makes what the real one makes, in small. */
const idle: Roles = {
  encoder: { features: small },
  generator: { forward: small, adaptiveWeight: () => 1, backward: () => undefined, update: () => update, weights: () => new Map([["w", small()]]), reconstruct: small },
  discriminator: { judge: () => ({ loss: 1, gradient: small() }), learn: () => ({ ...update, loss: 1, logitsFake: small(), logitsReal: small() }) },
  ema: { follow: () => undefined },
  reconstruction: { judge: () => ({ rec: 1, lpips: 1, gradient: small() }) }
}

const phases = { lpips: true, adversarial: true, discriminator: true }
const hyperparameters = { perceptualWeight: 1, discWeight: 1, maxDiscWeight: 1, discUpdates: 1, microBatch: 2 }
const batch = () => ({ images: small(), latents: null, draws: drawsFor({ seed: 0, step: 0, samples: [0, 1], tokens: 1, width: 1, noiseTau: 0, discUpdates: 1 }) })

const plain = (): number => {
  const given = batch()
  return median(Array.from({ length: rounds }, () => {
    const started = performance.now()
    for (let i = 0; i < stepsPerRound; i++) runDirect(trainStep(direct(idle), given, phases, hyperparameters))
    return ((performance.now() - started) * 1000) / stepsPerRound
  }))
}

/** The same through mailboxes, with the turns of the event loop between two steps. */
const supervised = Effect.gen(function*() {
  const { ema: average, encoder, generator, reconstruction, discriminator: heads } = idle
  const cache = yield* actor({ name: "feature_cache", init: Effect.succeed({ features: (images: Tensor, n: number) => owned("feature_cache", () => encoder.features(images, n)) }) })
  const decoder = yield* actor({
    name: "generator", mailbox: "emptied",
    init: Effect.succeed({
      forward: (...args: Parameters<typeof generator.forward>) => owned("generator", () => generator.forward(...args)),
      adaptiveWeight: (...args: Parameters<typeof generator.adaptiveWeight>) => owned("generator", () => generator.adaptiveWeight(...args)),
      backward: (...args: Parameters<typeof generator.backward>) => owned("generator", () => generator.backward(...args)),
      update: () => owned("generator", () => generator.update()),
      weights: () => owned("generator", () => generator.weights()),
      reconstruct: (...args: Parameters<typeof generator.reconstruct>) => owned("generator", () => generator.reconstruct(...args))
    })
  })
  const discriminator = yield* actor({
    name: "discriminator", mailbox: "emptied",
    init: Effect.succeed({
      judge: (...args: Parameters<typeof heads.judge>) => owned("discriminator", () => heads.judge(...args)),
      learn: (...args: Parameters<typeof heads.learn>) => owned("discriminator", () => heads.learn(...args))
    })
  })
  const ema = yield* actor({ name: "ema", mailbox: "emptied", init: Effect.succeed({ follow: (...args: Parameters<typeof average.follow>) => owned("ema", () => average.follow(...args)) }) })
  for (const each of [cache, decoder, discriminator, ema]) yield* Effect.forkScoped(each.run(Effect.void))
  yield* breathe
  const mine = <A, E>(reply: Effect.Effect<A, E>) => adopted("trainer", reply)
  const actors = {
    encoder: { features: (...args: Parameters<typeof encoder.features>) => mine(cache.ask.features(...args)) },
    generator: {
      forward: (...args: Parameters<typeof generator.forward>) => mine(decoder.ask.forward(...args)), adaptiveWeight: decoder.ask.adaptiveWeight, backward: decoder.ask.backward,
      update: decoder.ask.update, weights: () => mine(decoder.ask.weights()), reconstruct: (...args: Parameters<typeof generator.reconstruct>) => mine(decoder.ask.reconstruct(...args))
    },
    discriminator: {
      judge: (...args: Parameters<typeof heads.judge>) => mine(discriminator.ask.judge(...args)), learn: (...args: Parameters<typeof heads.learn>) => mine(discriminator.ask.learn(...args))
    },
    ema: { follow: ema.ask.follow },
    reconstruction: { judge: (...args: Parameters<typeof reconstruction.judge>) => owned("trainer", () => reconstruction.judge(...args)) }
  }
  const given = batch()
  const times: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    for (let i = 0; i < stepsPerRound; i++) {
      yield* breathe
      yield* Effect.gen(() => trainStep<Effect.Effect<unknown, unknown>>(actors, given, phases, hyperparameters))
    }
    times.push(((performance.now() - started) * 1000) / stepsPerRound)
  }
  return median(times)
})

/** As the RPC server does it. */
const encode = Schema.encodeUnknownSync(Schema.toCodecJson(Schema.NonEmptyArray(Report)))
const frames = msgpack.makeUnsafe()

/** Made, queued, encoded and packed for the pipe, all on the thread that trains. */
const eventInEngine = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<Report>()
  const times: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    for (let i = 0; i < eventsPerRound; i++) {
      const said = event("train.step", "bench", {
        step: i, epoch: 0, total: 1, rec: 1, lpips: 1, gan: 1, disc: 1, weight: 1, lr: 1, grad_norm: 1, images_per_second: 1,
        seconds: { data: 0, encode: 0, decode: 0, "reconstruction loss": 0, "adversarial loss": 0, backward: 0, optimizer: 0, ema: 0, reconstruct: 0, discriminator: 0 }
      })
      Queue.offerUnsafe(queue, { _tag: "Events", events: [said] })
      frames.encode({ _tag: "Chunk", requestId: "1", values: encode([yield* Queue.take(queue)]) })
    }
    times.push(((performance.now() - started) * 1000) / eventsPerRound)
  }
  return median(times)
})

export const stepOverhead = async () => ({
  event_us: await Effect.runPromise(eventInEngine),
  supervision_us: await Effect.runPromise(Effect.scoped(supervised)) - plain()
})
