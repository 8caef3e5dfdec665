/**
 * The application's supervision tree on virtual time: the real supervisors and actors of src/runtime in the shape of actors/tree.ts, with a
 * training of four numbers in place of the networks, and a process that is a fiber.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { engineChildren, engineTree, supervisorTree, trainingTree } from "../../actors/tree.ts"
import { actor, type ActorActivity, type ActorDown } from "../../src/runtime/actor.ts"
import type { Child } from "../../src/runtime/child-spec.ts"
import type { Strategy, SupervisionEvent } from "../../src/runtime/supervision-event.ts"
import { supervisor } from "../../src/runtime/supervisor.ts"
import * as Toy from "./toy-training.ts"
import type { World } from "./world.ts"

export class EngineLost extends Data.TaggedError("EngineLost")<{ readonly engine: number }> {}

/** What an engine holds in memory besides its actors. */
interface Engine {
  readonly number: number
  /** The last snapshot: what actors restart from, and what is saved. */
  buffer: Toy.Weights
}

const again = <A, E>(ask: Effect.Effect<A, E | ActorDown>) => Effect.retry(ask, { times: 10, while: (error) => (error as { readonly _tag?: string })._tag === "ActorDown" })

const isActorDown = (error: unknown): error is ActorDown => (error as { readonly _tag?: string })._tag === "ActorDown"

/** `strategy` of the training state: a test takes another, to see that the invariants are worth something. */
export const application = Effect.fnUntraced(function*(world: World, strategy: Strategy = trainingTree.strategy) {
  const { schedule } = world
  let engine: Engine | null = null

  const living = (name: string) => Effect.acquireRelease(Effect.sync(() => world.born(name)), () => Effect.sync(() => world.died(name)))
  const note = (instance: string) => (event: SupervisionEvent) => { world.noted.push({ at: world.now(), instance, event, progress: world.newest().step }) }
  /** Takes its time, unless the actor is to throw. */
  const operation = <A>(name: string, result: () => A) => Effect.suspend(() =>
    world.doomed.delete(name) ? Effect.die(new Error(`${name} throws`)) : Effect.map(Effect.sleep(schedule.operationMillis), result))

  const save = Effect.fnUntraced(function*(step: number) {
    const writing = engine
    if (writing === null || world.newest().step >= step) return
    yield* operation("checkpointer", () => undefined)
    for (let wait = 1000; ; wait = Math.min(2 * wait, 60_000)) {
      yield* Effect.sleep(schedule.saveMillis)
      if (engine !== writing) return yield* new EngineLost({ engine: writing.number })
      if (!world.refuses()) {
        world.belongTogether(writing.buffer, "on the disk")
        world.commit(writing.buffer)
        return
      }
      yield* Effect.sleep(wait)
    }
  })
  const saver = yield* actor({ name: "checkpointer", capacity: 4, init: Effect.as(living("checkpointer"), { save }) })

  /** The actors of one engine, and the supervisors over them. */
  const engineTreeOf = Effect.fnUntraced(function*(own: Engine, done: Deferred.Deferred<void>) {
    const stateless = <const Name extends "data_loader" | "feature_cache" | "evaluator">(name: Name) =>
      actor({ name, capacity: engineChildren[name].capacity, init: Effect.as(living(name), { serve: (input: number) => operation(name, () => name === "data_loader" ? Toy.batchAt(input) : Toy.featuresOf(input)) }) })
    const [loader, cache, evaluator] = [yield* stateless("data_loader"), yield* stateless("feature_cache"), yield* stateless("evaluator")]

    /** A part of the training state: it is of one step, and serves only letters that were written to it. */
    const stateful = <const Name extends "generator" | "discriminator" | "ema">(name: Name, after: (weight: number, ...inputs: ReadonlyArray<number>) => number) =>
      Effect.gen(function*() {
        let activity: (() => ActorActivity) | undefined
        const made = yield* actor({
          name, capacity: engineChildren[name].capacity, mailbox: "emptied",
          init: Effect.gen(function*() {
            yield* living(name)
            let step = own.buffer.step
            let weight = own.buffer[name]
            const serving = <A>(sent: number, at: number, result: () => A) => operation(name, () => {
              if (activity?.().incarnation !== sent) world.complain(`${name} serves a letter to incarnation ${sent} of it`)
              if (step !== at) world.complain(`${name} is of step ${step} in step ${at}`)
              return result()
            })
            return {
              read: (sent: number, at: number) => serving(sent, at, () => weight),
              learn: (sent: number, at: number, ...inputs: ReadonlyArray<number>) =>
                name === "generator" && at === schedule.poisonedStep ? Effect.die(new Error("poison")) : serving(sent, at, () => {
                  step++
                  return weight = after(weight, ...inputs)
                })
            }
          })
        })
        activity = made.activity
        return { child: made, read: (at: number) => made.ask.read(made.activity().incarnation, at), learn: (at: number, ...inputs: ReadonlyArray<number>) => made.ask.learn(made.activity().incarnation, at, ...inputs) }
      })
    const generator = yield* stateful("generator", (weight, features = 0, judged = 0) => Toy.generatorAfter(weight, features, judged))
    const discriminator = yield* stateful("discriminator", (weight, fake = 0) => Toy.discriminatorAfter(weight, fake))
    const ema = yield* stateful("ema", (weight, next = 0) => Toy.emaAfter(weight, next))

    const snapshot = Effect.fnUntraced(function*(step: number) {
      const weights: Toy.Weights = { step, generator: yield* generator.read(step), discriminator: yield* discriminator.read(step), ema: yield* ema.read(step) }
      world.belongTogether(weights, "in the buffer")
      own.buffer = weights
      if (saver.activity().mailbox?.depth === 0) yield* saver.tell.save(step)
    })
    const trainer: Child = {
      name: "trainer", shutdown: engineChildren.trainer.shutdown,
      run: (ready) => Effect.gen(function*() {
        yield* living("trainer")
        yield* ready
        let { step } = own.buffer
        while (step < schedule.steps) {
          yield* operation("trainer", () => undefined)
          const features = yield* again(Effect.flatMap(again(loader.ask.serve(step)), (batch) => cache.ask.serve(batch)))
          const judged = Toy.judgedBy(yield* discriminator.read(step), yield* generator.read(step))
          const next = yield* generator.learn(step, features, judged)
          yield* ema.learn(step, next)
          yield* discriminator.learn(step, next)
          step++
          if (step % 7 === 0) yield* Effect.ignore(evaluator.ask.serve(step))
          if (step % schedule.every === 0 && step < schedule.steps) yield* snapshot(step)
        }
        if (own.buffer.step !== step) yield* snapshot(step)
        yield* Deferred.succeed(done, undefined)
        return yield* Effect.never
      })
    }
    const training = supervisor({
      ...trainingTree, strategy, onEvent: note(`training of engine ${own.number}`),
      children: [generator.child, discriminator.child, ema.child, trainer]
    })
    return supervisor({ ...engineTree, onEvent: note(`engine ${own.number}`), children: [loader, cache, evaluator, training] })
  })

  const engineLife = Effect.fnUntraced(function*(ready: Effect.Effect<void>, number: number) {
    yield* Effect.sleep(schedule.loadMillis)
    const own: Engine = { number, buffer: world.newest() }
    engine = own
    const done = Deferred.makeUnsafe<void>()
    const tree = yield* engineTreeOf(own, done)
    yield* ready
    yield* Effect.raceFirst(Effect.andThen(tree.run(Effect.void), Effect.die(new Error("the actors stopped"))), Deferred.await(done))
    yield* Effect.retry(saver.ask.save(schedule.steps), { times: 5, while: isActorDown })
  }, Effect.scoped)

  const engineChild: Child = {
    name: "engine", restart: "transient", significant: true, shutdown: "30 seconds",
    run: (ready) => Effect.gen(function*() {
      yield* living("engine")
      const { killed, number } = world.nextEngine()
      yield* Effect.addFinalizer(() => Effect.sync(() => { engine = null }))
      yield* Effect.raceFirst(Effect.andThen(killed, Effect.suspend(() => new EngineLost({ engine: number }))), engineLife(ready, number))
    })
  }

  const tree = supervisor({
    ...supervisorTree, intensity: { max: schedule.maxRestarts, within: `${schedule.withinSeconds} seconds` }, onEvent: note("supervisor"),
    progress: { value: () => world.newest().step, max: schedule.maxWithoutProgress }, children: [saver, engineChild]
  })
  yield* tree.run(Effect.void)
}, Effect.scoped)
