/**
 * What the engine answers its supervisor: `Load` builds the actors under their own supervisors, `Train` lets the trainer begin, `Write` sends
 * the buffer to the disk, and `Reports` tells of all that happens.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fileOf } from "../src/checkpoint/state-files.ts"
import type { ChildStatus } from "../src/runtime/child-spec.ts"
import { startStackReporter } from "../src/runtime/stack-reporter.ts"
import { Escalated, NoProgress, rootCause, supervisor, type Supervisor, TooManyRestarts } from "../src/runtime/supervisor.ts"
import type { SupervisionEvent } from "../src/runtime/supervision-event.ts"
import { addonHash, libtorchVersion } from "../src/tensor/device.ts"
import { TensorError } from "../src/tensor/errors.ts"
import { opNames } from "../src/tensor/heartbeat.ts"
import { live } from "../src/tensor/scope.ts"
import { dataLoader, TooManyCorrupt } from "./data-loader.ts"
import { discriminatorActor } from "./discriminator.ts"
import { Diverged } from "./divergence.ts"
import * as Environment from "./engine-environment.ts"
import { emaActor } from "./ema.ts"
import { type Prepared, prepare } from "./engine-load.ts"
import * as Protocol from "./engine-protocol.ts"
import { evaluatorActor } from "./evaluator.ts"
import { type Event, make as event } from "./events.ts"
import { doom, poison } from "./fault-points.ts"
import { featureCache } from "./feature-cache.ts"
import { generatorActor } from "./generator.ts"
import { OutOfMemory } from "./ownership.ts"
import { type Session, trainer } from "./trainer.ts"
import { engineChildren, engineTree, trainingTree } from "./tree.ts"

/** Several times a second: what `rae status` shows is never older. */
const pulseEvery = "250 millis"

interface Running {
  readonly prepared: Prepared
  readonly session: Session
  readonly tree: Supervisor<never>
  /** The supervisor of generator, discriminator, EMA and trainer, within the tree. */
  readonly training: Supervisor<never>
}

/** Latents are worth keeping where an epoch or a later variant can need the same crops again. */
const cacheEnabled = ({ config, variants }: Protocol.LoadRequest): boolean => {
  const { crops_per_image: crops } = config.data
  if (config.feature_cache.mode !== "auto") return config.feature_cache.mode === "on"
  return variants > 1 || (crops !== null && config.training.epochs > crops)
}

const supervision = (run: string, emit: (event: Event) => void) => (happened: SupervisionEvent): void => {
  const { supervisor: name } = happened
  if (happened.type === "child_down") {
    const { attempt, context, delay_seconds, max, offender, reason, strategy } = happened
    emit(event("supervisor.child_down", run, { supervisor: name, context, reason, offender, strategy, attempt, max, delay_seconds, lost_steps: null }))
  }
  if (happened.type === "gave_up") emit(event("supervisor.gave_up", run, { supervisor: name, context: happened.context, reason: happened.reason, offender: happened.offender }))
}

/**
 * What no restart of actors cures: images that cannot be read, training that leads nowhere, memory that does not suffice, and a fault that came
 * again and again at the same step.
 */
const beyondRepair = (error: unknown) => {
  const cause = rootCause(error)
  const hopeless = error instanceof NoProgress || [TooManyCorrupt, Diverged, OutOfMemory].some((kind) => cause instanceof kind)
  return hopeless ? "escalate" as const : undefined
}

/** Why training ended, as the supervisor is told: where actors were restarted in vain, how often and where. */
const failureOf = (error: unknown, step: number) => {
  const cause = rootCause(error)
  const kind = typeof cause === "object" && cause !== null && "_tag" in cause ? String(cause._tag) : "defect"
  return new Protocol.TrainingFailed({ kind, reason: describe(vainRestarts(error) ?? cause), step })
}
const vainRestarts = (error: unknown): NoProgress | TooManyRestarts | undefined =>
  error instanceof NoProgress || error instanceof TooManyRestarts ? error : error instanceof Escalated ? vainRestarts(error.cause) : undefined

/** The engine's actors, in the order in which data flows. */
const buildTree = Effect.fnUntraced(function*(prepared: Prepared, session: Session, emit: (event: Event) => void, onSnapshot: (step: number) => void) {
  const { frozen, latentShape, request, sampler, setup, sources, state, stepsPerEpoch } = prepared
  const { config, run } = request
  const loader = yield* dataLoader({
    run, source: sources.training, sampler, seed: config.training.global_seed, epochs: config.training.epochs, size: config.data.image_size,
    ahead: config.data.prefetch, maxCorrupt: config.data.max_corrupt, device: prepared.device, emit
  })
  const cache = yield* featureCache({
    run, dir: request.cache_dir, maxBytes: config.feature_cache.max_bytes, keepFree: state.bytes, enabled: cacheEnabled(request), device: prepared.device, shape: latentShape, emit,
    encoding: {
      encoder: JSON.stringify([frozen.hashes["encoder"], frozen.hashes["statistics"] ?? null, config.architecture.encoder, config.stage_1.params.encoder_input_size]),
      libtorch: JSON.stringify([libtorchVersion(), addonHash(), Environment.forEngine(prepared.device)]), device: prepared.device, precision: config.training.precision
    },
    encode: (images, microBatch) => frozen.encoder.features(images, microBatch)
  })
  const evaluator = yield* evaluatorActor({
    run, runDir: request.run_dir, config, source: sources.heldOut, encoder: frozen.encoder, reconstruction: frozen.reconstruction, statistics: frozen.statistics,
    device: prepared.device, emit
  })
  const generator = yield* generatorActor(state)
  const discriminator = yield* discriminatorActor(state)
  const ema = yield* emaActor(state)
  const driver = yield* trainer({
    run, config, setup, stepsPerEpoch, latentShape, state, session, reconstruction: frozen.reconstruction,
    loader, cache, generator, discriminator, ema, evaluator, emit, onSnapshot
  })
  const training = supervisor({
    ...trainingTree, progress: { value: () => session.progress.step, max: trainingTree.intensity.max }, onFailure: beyondRepair, onEvent: supervision(run, emit),
    children: [
      { ...generator, shutdown: engineChildren.generator.shutdown }, { ...discriminator, shutdown: engineChildren.discriminator.shutdown },
      { ...ema, shutdown: engineChildren.ema.shutdown }, driver
    ]
  })
  const tree = supervisor({
    ...engineTree, onFailure: beyondRepair, onEvent: supervision(run, emit),
    children: [
      { ...loader, shutdown: engineChildren.data_loader.shutdown }, { ...cache, shutdown: engineChildren.feature_cache.shutdown },
      { ...evaluator, shutdown: engineChildren.evaluator.shutdown }, training
    ]
  })
  return { tree, training }
})

const describe = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

export const engineHandlers = Effect.gen(function*() {
  const home = yield* Effect.scope
  const reports = yield* Queue.unbounded<Protocol.Report, Cause.Done>()
  let running: Running | null = null
  const emit = (happened: Event): void => { Queue.offerUnsafe(reports, { _tag: "Events", events: [happened] }) }
  const onSnapshot = (step: number): void => { Queue.offerUnsafe(reports, { _tag: "SnapshotTaken", step }) }

  const load = Effect.fnUntraced(function*(request: Protocol.LoadRequest) {
    const prepared = yield* prepare(request)
    const { config } = request
    const session: Session = {
      begin: Latch.makeUnsafe(), until: null, stopRequested: false, snapshotRequested: false, paused: false, done: Deferred.makeUnsafe(), skipped: new Set(),
      microBatch: prepared.microBatch, progress: prepared.state.progress, savedStep: prepared.state.progress.step
    }
    const { training, tree } = yield* buildTree(prepared, session, emit, onSnapshot)
    running = { prepared, session, tree, training }
    // The tree's end is the end of training: whoever waits for it is told why.
    yield* tree.run(Effect.void).pipe(
      Effect.scoped,
      Effect.onExit((exit) => Deferred.fail(session.done, failureOf(exit._tag === "Failure" ? Cause.squash(exit.cause) : new Error("the actors stopped"), session.progress.step))),
      Effect.ignore, Effect.forkIn(home))
    const loaded: Protocol.Loaded = {
      step: prepared.state.progress.step, steps: prepared.setup.steps, steps_per_epoch: prepared.stepsPerEpoch,
      images: prepared.sources.training.count, held_out: prepared.sources.heldOut.count, state_bytes: prepared.state.bytes, parameters: prepared.parameters,
      libtorch: libtorchVersion(), precision: config.training.precision, dry_step_seconds: prepared.drySeconds, dry_step_bytes: prepared.dryBytes, micro_batch: prepared.microBatch, operations: opNames(), frozen: prepared.frozen.hashes
    }
    return loaded
  })

  const pulse = (): Protocol.Report => {
    const { bytes, count, owners } = live()
    const actor = ({ depth, last_seconds, mailbox, name, op, restarts, state, up_seconds }: ChildStatus): Protocol.EngineActor => ({
      name, depth: depth + 1, state, detail: op, restarts, up_seconds, last_seconds, mailbox, handles: owners[name] ?? null
    })
    const progress = running?.session.progress
    return {
      _tag: "Pulse", step: progress?.step ?? 0, epoch: progress?.epoch ?? 0, actors: (running?.tree.children() ?? []).map(actor),
      handles: count, bytes, rss_bytes: process.memoryUsage.rss()
    }
  }

  const write = Effect.fnUntraced(function*(dir: string) {
    if (running === null) return yield* new Protocol.SnapshotNotWritten({ path: dir, errno: "EINVAL", reason: "nothing is loaded", needed: null })
    const { prepared: { state } } = running
    const { progress } = state
    const { files, seconds, tensors } = yield* Effect.tryPromise({
      try: () => state.snapshot.write(dir, fileOf),
      catch: (cause) => new Protocol.SnapshotNotWritten({
        path: dir, reason: describe(cause), needed: state.bytes, errno: cause instanceof TensorError && cause.errno !== "" ? cause.errno : "EIO"
      })
    })
    const written: Protocol.Written = { progress, report: { files, tensors }, seconds }
    return written
  })

  const notLoaded = new Protocol.TrainingFailed({ kind: "order", reason: "nothing is loaded", step: 0 })
  return {
    Load: (request: Protocol.LoadRequest) => Effect.provideService(load(request), Scope.Scope, home),
    Train: ({ until }: { readonly until: number | null }) => Effect.suspend(() => {
      if (running === null) return Effect.fail(notLoaded)
      running.session.until = until
      startStackReporter()
      // The stream of reports ends with training, so that whoever reads it to its end has missed nothing, the reason of a failure least of all.
      return running.session.begin.open.pipe(Effect.andThen(Deferred.await(running.session.done)), Effect.onExit(() => Queue.end(reports)))
    }),
    Reports: () => Stream.merge(Stream.fromQueue(reports), Stream.fromSchedule(Schedule.spaced(pulseEvery)).pipe(Stream.map(pulse)), { haltStrategy: "left" }),
    TakeSnapshot: () => Effect.sync(() => { if (running !== null) running.session.snapshotRequested = true }),
    Saved: ({ step }: { readonly step: number }) => Effect.sync(() => { if (running !== null) running.session.savedStep = step }),
    Stop: () => Effect.sync(() => { if (running !== null) running.session.stopRequested = true }),
    Pause: ({ paused }: { readonly paused: boolean }) => Effect.sync(() => { if (running !== null) running.session.paused = paused }),
    RestartActor: ({ actor }: { readonly actor: string }) => Effect.gen(function*() {
      if (running === null) return false
      return (yield* running.tree.restartChild(actor)) || (yield* running.training.restartChild(actor))
    }),
    Inject: ({ actor }: { readonly actor: string | null }) => Effect.sync(() => {
      if (actor !== null) return doom(actor)
      poison()
      return true
    }),
    Write: ({ dir }: { readonly dir: string }) => write(dir)
  }
})
