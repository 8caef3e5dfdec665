/**
 * The supervisor program behind `rae run`: checks everything, then trains the study's variants one after another, each exactly once.
 *
 * Nothing is created before the first engine has loaded data, weights and device and done a dry step; wrong input leaves nothing behind.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import { existsSync, statfsSync } from "node:fs"
import { notesOn } from "../src/config/notes.ts"
import { defaultFeatureDir } from "../src/data/feature-cache.ts"
import { Failpoints } from "../src/checkpoint/failpoints.ts"
import { claimRunDir } from "../src/runtime/lock.ts"
import { NoProgress, rootCause, type Supervisor } from "../src/runtime/supervisor.ts"
import type { Checkpointer } from "./checkpointer.ts"
import { openExistingStores } from "./checkpoint-stores.ts"
import * as Environment from "./engine-environment.ts"
import * as Keeper from "./engine-keeper.ts"
import { make as event } from "./events.ts"
import * as Goodput from "./goodput.ts"
import { firstEngine, keeperOptions } from "./first-engine.ts"
import { makeJournal, type StampedEvent } from "./journal.ts"
import { describeRun, describeStudy } from "./run-description.ts"
import { enterRunDir } from "./run-directory.ts"
import { exitCodeOf, Interrupted, RunFailed } from "./run-errors.ts"
import { makeRecords } from "./records.ts"
import { requireRoom } from "./disk-room.ts"
import { plan as makePlan, type SuperviseOptions as PlanOptions } from "./run-plan.ts"
import { type Metrics, openMetrics } from "./metrics.ts"
import * as RunJson from "./run-json.ts"
import * as RunStatus from "./run-status.ts"
import { runVariant } from "./run-variant.ts"
import { serve } from "./run-control.ts"
import { makeSteering } from "./run-steering.ts"
import type { ActorStatus, Status } from "./status.ts"
import * as Signals from "./stop-signals.ts"
import * as Results from "./study-results.ts"
import type { StudyTable } from "../src/formats/study-table.ts"

export interface SuperviseOptions extends PlanOptions {
  /** Called for every event once it has its place in the log. Must not throw. */
  readonly onEvent: (event: StampedEvent) => void
  /** Called once everything is checked, before the first step. `status` answers at any time after it. */
  readonly onStarted: (status: () => Status) => void
}

export interface StudyOutcome {
  /** `stopped`: by --stop-after or a signal, with the state saved. */
  readonly kind: "done" | "stopped"
  readonly signal: Signals.StopSignal | null
  readonly step: number
  readonly table: StudyTable
}

/** Asked for many times a second by a live view: a file system that has gone keeps its last figure. */
const freeSpace = (dir: string) => {
  let free = 0
  return (): number => {
    try {
      const { bavail, bsize } = statfsSync(dir)
      free = bavail * bsize
    } catch {
      // the last figure stands
    }
    return free
  }
}

export const superviseStudy = Effect.fnUntraced(function*(options: SuperviseOptions) {
  const plan = yield* makePlan(options)
  const [next, ...later] = plan.variants.filter(({ previous }) => previous?.state !== "done")
  if (next === undefined) {
    const outcome: StudyOutcome = { kind: "done", signal: null, step: plan.variants.at(-1)?.previous?.step ?? 0, table: yield* Results.collect(plan) }
    return outcome
  }
  const started = new Date()
  const claimed = existsSync(plan.dir)
  if (claimed) yield* claimRunDir(plan.dir)

  const fork = yield* FiberSet.makeRuntime<never>()
  // What happens before the directory exists waits in the journal.
  let status: RunStatus.RunStatus | null = null
  /** Records a step that is safe; there is none before a run is entered. */
  let recordCommit: ((step: number) => Effect.Effect<void>) | null = null
  let lastSeq = 0
  let metrics: Metrics | null = null
  const journal = makeJournal((happened) => {
    lastSeq = happened.seq
    status?.apply(happened)
    metrics?.apply(happened)
    if (happened.type === "checkpoint.committed" && recordCommit !== null) fork(recordCommit(happened.step))
    options.onEvent(happened)
  })
  let engine: Keeper.LiveEngine | null = null
  let tree: Supervisor<never> | null = null
  let signal: Signals.StopSignal | null = null
  const stopping = Latch.makeUnsafe()
  const onReport: Keeper.Options["onReport"] = (report) => Effect.sync(() => {
    if (report._tag === "Pulse") status?.pulse(report)
    if (report._tag === "Events") for (const happened of report.events) journal.emit(happened)
  })
  const base = { emit: journal.emit, flush: journal.flush, onReport, step: () => status?.step() ?? null, stepSeconds: () => status?.stepSeconds() ?? null }
  const stopAfter = options.stopAfter ?? null

  /** Asks the engine that is up; false where none is. Its death while it is asked is the keeper's news, not ours. */
  const ask = (request: (live: Keeper.LiveEngine) => Effect.Effect<unknown, unknown>): boolean => {
    const live = engine
    if (live === null) return false
    fork(Effect.ignore(request(live)))
    return true
  }
  const askToStop = () => {
    stopping.openUnsafe()
    ask((live) => live.handle.client.Stop())
  }
  const askForCheckpoint = () => ask((live) => live.handle.client.TakeSnapshot())
  const said = (name: string, action: string) => journal.emit(event("signal.received", plan.name, { signal: name, action }))
  yield* Signals.install({
    onStop: (name) => {
      signal = name
      said(name, "finishing the step and saving; once more to stop now")
      askToStop()
    },
    onStopNow: (name) => {
      engine?.handle.kill("SIGKILL")
      process.exit(Signals.exitCodes[name])
    },
    onCheckpoint: () => said("SIGUSR1", askForCheckpoint() ? "taking a checkpoint" : "no engine is up, no checkpoint is taken"),
    onHangUp: () => said("SIGHUP", "going on")
  })

  const steering = makeSteering({
    run: plan.name, allowInject: plan.variants.every(({ config }) => config.supervision.allow_inject), ask, engine: () => engine, tree: () => tree, stop: askToStop,
    emit: (happened) => {
      journal.emit(happened)
      return lastSeq
    }
  })
  const stores = options.fresh ? [] : yield* openExistingStores(next)
  const interrupted = Effect.flatMap(stopping.await, () => Effect.suspend(() => new Interrupted({ run: plan.name, signal: signal ?? "SIGINT" })))
  const first = yield* firstEngine(keeperOptions(plan, next, base, stopAfter), next, stores).pipe(Effect.raceFirst(interrupted))
  const { loaded } = first.engine
  // What was begun goes on whatever the disk says: its snapshots wait in memory until space returns.
  if (plan.previous === null && first.engine.resumedFrom === null) yield* requireRoom(next, loaded.state_bytes, defaultFeatureDir(process.env))

  yield* enterRunDir(plan, { claimed, fresh: options.fresh, at: started })
  const study = describeStudy(plan, loaded)
  for (const note of notesOn(plan.variants.map(({ config }) => config))) journal.emit(event("config.noted", plan.name, note))
  for (const change of plan.previous === null ? [] : Environment.changes(circumstances(plan.previous), circumstances(study))) {
    journal.emit(event("environment.changed", plan.name, change))
  }
  const current = RunStatus.make({
    name: plan.name, kind: plan.kind, profile: plan.profile, device: plan.device, precision: loaded.precision,
    data: plan.data ?? "drawn pictures", random_weights: plan.randomWeights
  }, started, Goodput.from(plan.previous?.goodput))
  status = current
  const log = yield* journal.open(plan.dir, plan.name, next.config.event_log.max_bytes)
  let checkpointer: Checkpointer | null = null
  const free = freeSpace(plan.dir)
  const toStatus = (): Status => current.toStatus({
    actors: [
      { name: "event_log", depth: 0, state: "idle", detail: `seq ${log.lastSeq()}`, up_seconds: (Date.now() - started.getTime()) / 1000, restarts: 0, mailbox: null, handles: null, last_seconds: null },
      ...(tree?.children() ?? []).filter(({ name }) => name !== "engine").map((child): ActorStatus => ({
        name: child.name, depth: 0, state: child.state, detail: child.op, up_seconds: child.up_seconds, restarts: child.restarts, mailbox: child.mailbox, handles: null, last_seconds: child.last_seconds
      }))
    ],
    op: engine?.op() ?? null,
    disk: { path: plan.dir, free_bytes: free(), next_checkpoint_bytes: checkpointer?.nextBytes() ?? loaded.state_bytes }
  })
  const records = yield* makeRecords((run, message) => journal.emit(event("record.failed", run, { message })))
  /** The ledger is the whole study's. */
  const record = (dir: string, run: string, description: RunJson.RunJson) =>
    records.write(RunJson.pathIn(dir), run, RunJson.write(dir, dir === plan.dir ? { ...description, goodput: current.ledger() } : description))
  const figures = yield* openMetrics({
    name: plan.name, dirOf: (run) => plan.variants.find((variant) => variant.run === run)?.dir ?? null, status: toStatus, emit: journal.emit, env: process.env
  })
  metrics = figures
  yield* serve(plan.dir, { status: toStatus, metrics: figures.text, ...steering.controls }).pipe(Effect.catchTag("ControlFailed", ({ message }) => Effect.sync(() => journal.emit(event("record.failed", plan.name, { message })))))
  if (plan.kind === "study") yield* record(plan.dir, plan.name, study)
  options.onStarted(toStatus)
  journal.emit(event("study.started", plan.name, { variants: plan.variants.map(({ run }) => run), config: plan.configFile }))

  const recordStudy = (state: RunJson.RunJson["state"]) => plan.kind === "run" ? Effect.void
    : record(plan.dir, plan.name, { ...study, state, restarts: study.restarts + current.restarts(), step: current.step() })

  /** The table as it stands, on disk too: a study that fails shows what it has. */
  const tabulate = Results.collect(plan).pipe(Effect.tap((table) => records.write(Results.pathIn(plan.dir), plan.name, Results.write(plan.dir, table))))

  for (const variant of [next, ...later]) {
    if (stopping.isOpen()) break
    const began = performance.now()
    const restartsBefore = current.restarts()
    const counted = () => (variant.previous?.restarts ?? 0) + current.restarts() - restartsBefore
    current.enter(variant.run, plan.kind === "study" ? { name: variant.run, index: plan.variants.indexOf(variant) + 1, count: plan.variants.length } : null)
    let description = describeRun(plan, variant, loaded)
    /** Recorded before the first step of each engine: what this variant is, its engine alone knows. */
    const onEngine = (live: Keeper.LiveEngine | null) => Effect.suspend(() => {
      engine = live
      if (live === null) return Effect.void
      const { images, libtorch, precision, steps } = live.loaded
      description = { ...description, precision, steps, libtorch }
      journal.emit(event("run.started", variant.run, {
        profile: plan.profile, device: plan.device, precision, data: plan.data ?? "drawn pictures", images, steps, resumed_from: live.resumedFrom?.step ?? null, random_weights: plan.randomWeights
      }))
      return Effect.andThen(record(variant.dir, variant.run, description), steering.settle(live))
    })
    recordCommit = (step) => Effect.andThen(record(variant.dir, variant.run, { ...description, step, restarts: counted() }), recordStudy("running"))
    const ended = yield* runVariant({
      plan, variant, keeper: keeperOptions(plan, variant, base, stopAfter), status: current, emit: journal.emit, preloaded: variant === next ? first : null,
      onEngine, stopping, onTree: (supervised, saver) => { tree = supervised; checkpointer = saver }
    }).pipe(Effect.provideService(Failpoints, steering.hit), Effect.catch(Effect.fnUntraced(function*(error) {
      const cause = rootCause(error) as { readonly _tag?: string; readonly message?: string; readonly help?: string }
      const last = cause.message ?? String(cause)
      const reason = error instanceof NoProgress ? vainRestarts(error, current.step(), last) : last
      journal.emit(event("run.failed", variant.run, { error: cause._tag ?? "Error", message: reason, step: current.step() }))
      yield* record(variant.dir, variant.run, { ...description, state: "failed", step: current.step(), restarts: counted() })
      yield* recordStudy("failed")
      return yield* new RunFailed({
        run: variant.run, reason, exitCode: exitCodeOf(error), table: yield* tabulate,
        help: cause.help ?? `what happened: rae events ${plan.name} --level warn; go on from the last checkpoint: rae run ${plan.configFile}`
      })
    })))
    recordCommit = null
    // Stopped while no engine was up: all that there is was saved before, or died with the one before.
    const step = ended.trained?.step ?? ended.committed ?? description.step
    const finished = ended.trained?.finished === true
    const means = ended.trained?.means ?? {}
    yield* record(variant.dir, variant.run, {
      ...description, state: finished ? "done" : "stopped", step, restarts: counted(), result: Object.keys(means).length === 0 ? description.result : { means, step }
    })
    journal.emit(finished
      ? event("run.finished", variant.run, { step, restarts: counted(), seconds: (performance.now() - began) / 1000 })
      : event("run.stopped", variant.run, { step, reason: signal ?? (stopping.isOpen() ? "asked to" : `--stop-after ${stopAfter}`), saved: ended.trained === null ? current.step() <= step : ended.committed === step }))
    if (!finished) break
  }

  yield* records.settle
  const table = yield* tabulate
  const done = table.rows.every(({ state }) => state === "done")
  const seconds = (Date.now() - started.getTime()) / 1000
  if (done) journal.emit(event("study.finished", plan.name, { variants: table.rows.length, restarts: current.restarts(), seconds }))
  yield* recordStudy(done ? "done" : "stopped")
  yield* records.settle
  yield* journal.flush
  const outcome: StudyOutcome = { kind: done ? "done" : "stopped", signal, step: current.step(), table }
  return outcome
}, Effect.scoped)

/** The diagnosis of a run that the same fault stopped again and again. */
const vainRestarts = ({ progress, restarts }: NoProgress, step: number, last: string) =>
  `${restarts} restarts brought no checkpoint newer than ${progress < 0 ? "none" : `that of step ${progress}`}; the last failure, at step ${step}: ${last}`

/** All that decides speed and bits of a run, besides its config. */
const circumstances = ({ device, environment, libtorch }: RunJson.RunJson): Readonly<Record<string, string>> => ({ device, libtorch, ...environment })
