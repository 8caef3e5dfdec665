/**
 * The supervisor program behind `rae run`: checks everything, then trains the study's variants one after another, each exactly once.
 *
 * Nothing is created before the first engine has loaded data, weights and device and done a dry step; wrong input leaves nothing behind.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { existsSync, mkdirSync, renameSync, statfsSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, join } from "node:path"
import * as Budget from "../src/checkpoint/budget.ts"
import { claimRunDir } from "../src/runtime/lock.ts"
import { rootCause, type Supervisor } from "../src/runtime/supervisor.ts"
import type { Checkpointer } from "./checkpointer.ts"
import * as Environment from "./engine-environment.ts"
import * as Keeper from "./engine-keeper.ts"
import type { DataSpec, Loaded } from "./engine-protocol.ts"
import { make as event } from "./events.ts"
import { makeJournal, type StampedEvent } from "./journal.ts"
import { plan as makePlan, type PlannedVariant, type RunPlan, type SuperviseOptions as PlanOptions } from "./run-plan.ts"
import * as RunJson from "./run-json.ts"
import * as RunStatus from "./run-status.ts"
import { openStores, type Preloaded, runVariant } from "./run-variant.ts"
import { serve } from "./run-control.ts"
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

export class DiskTooSmall extends Schema.TaggedError<DiskTooSmall>()("DiskTooSmall", { path: Schema.String, needed: Schema.Finite, free: Schema.Finite }) {
  readonly exitCode = 2
  readonly help = "free some space, or choose another place with --runs-dir"
  override get message() { return `no room for one checkpoint in ${this.path}: needs ${(this.needed / 1e6).toFixed(1)} MB, free ${(this.free / 1e6).toFixed(1)} MB` }
}

/** How a run ends that its supervisor could not carry on: 5 where restarts did not help, 2 where the input was wrong, else 1. */
export class RunFailed extends Schema.TaggedError<RunFailed>()("RunFailed", { run: Schema.String, reason: Schema.String, exitCode: Schema.Int, help: Schema.String, table: Schema.Unknown }) {
  override get message() { return `${this.run} failed: ${this.reason}` }
}

const dataSpec = ({ config }: PlannedVariant): DataSpec => config.data.path === null
  ? { _tag: "Synthetic", images: config.data.synthetic?.images ?? 0, held_out: config.eval.images }
  : { _tag: "Folder", path: config.data.path }

const cacheDir = () => join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rae", "features")

const keeperOptions = (plan: RunPlan, variant: PlannedVariant, base: Pick<Keeper.Options, "emit" | "onReport" | "stepSeconds">, stopAfter: number | null): Keeper.Options => ({
  ...base, run: variant.run, stopAfter, environment: Environment.forEngine(plan.device), hangSeconds: variant.config.supervision.hang_seconds,
  request: {
    run: variant.run, run_dir: variant.dir, variants: plan.variants.length, config: variant.config, data: dataSpec(variant), eval_data: variant.config.eval.data_path, device: plan.device,
    cache_dir: cacheDir()
  }
})

/** Starts and loads the engine of the first variant to run; one that is killed in it is started again, any other failure leaves nothing behind. */
const preload = Effect.fnUntraced(function*(options: Keeper.Options, variant: PlannedVariant) {
  const stores = existsSync(variant.dir) ? yield* openStores(variant) : []
  let attempt = 0
  return yield* Effect.gen(function*() {
    attempt++
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const engine = yield* Keeper.launch(options, attempt, stores).pipe(Effect.provideService(Scope.Scope, scope))
    const preloaded: Preloaded = { engine, scope, attempt }
    return preloaded
  }).pipe(
    Effect.tapError((error) => Effect.sync(() => {
      if (Keeper.isKilled(error)) options.emit(event("engine.exited", options.run, { pid: error.pid, code: error.code, signal: error.signal, step: null, stderr: [...error.stderr] }))
    })),
    Effect.retry({ times: variant.config.supervision.max_without_progress, while: Keeper.isKilled })
  )
})

const freeBytes = (dir: string): number => {
  const { bavail, bsize } = statfsSync(dir)
  return bavail * bsize
}

const existingAncestor = (path: string): string => existsSync(path) ? path : existingAncestor(dirname(path))

const describeRun = (plan: RunPlan, variant: PlannedVariant | null, loaded: Loaded): RunJson.RunJson => {
  const before = variant === null ? plan.previous : variant.previous
  return {
    schema: 1, name: variant?.run ?? plan.name, kind: variant === null ? "study" : "run", config_file: plan.configFile,
    config_hash: variant?.hash ?? plan.variants.map(({ hash }) => hash).join("-").slice(0, 64), profile: plan.profile, sets: [...plan.sets], data: plan.data, device: plan.device,
    precision: loaded.precision, random_weights: plan.randomWeights, created_at: before?.created_at ?? new Date().toISOString(),
    environment: Environment.forEngine(plan.device), libtorch: loaded.libtorch, variants: variant === null ? plan.variants.map(({ run }) => run) : [],
    state: "running", step: before?.step ?? loaded.step, steps: loaded.steps, restarts: before?.restarts ?? 0, result: before?.result ?? null, config: variant?.config ?? null
  }
}

const unsupported = (error: unknown): RunFailed["exitCode"] =>
  typeof error === "object" && error !== null && "_tag" in error ? ({ TooManyRestarts: 5, NoProgress: 5 } as Readonly<Record<string, number>>)[String(error._tag)] ?? 1 : 1

export const superviseStudy = Effect.fnUntraced(function*(options: SuperviseOptions) {
  const plan = yield* makePlan(options)
  const todo = plan.variants.filter(({ previous }) => previous?.state !== "done")
  if (todo.length === 0) {
    const outcome: StudyOutcome = { kind: "done", signal: null, step: plan.variants.at(-1)?.previous?.step ?? 0, table: yield* Results.collect(plan) }
    return outcome
  }
  const started = new Date()
  if (existsSync(plan.dir)) yield* claimRunDir(plan.dir)

  // What happens before the directory exists waits in the journal.
  let status: RunStatus.RunStatus | null = null
  const journal = makeJournal((happened) => {
    status?.apply(happened, happened.time)
    options.onEvent(happened)
  })
  let engine: Keeper.LiveEngine | null = null
  let signal: Signals.StopSignal | null = null
  let stopping = false
  const onReport: Keeper.Options["onReport"] = (report) => Effect.sync(() => {
    if (report._tag === "Pulse") status?.pulse(report)
    if (report._tag === "Events") for (const happened of report.events) journal.emit(happened)
  })
  const base = { emit: journal.emit, onReport, stepSeconds: () => status?.stepSeconds() ?? null }
  const stopAfter = options.stopAfter ?? null

  /** Asks the engine that is up; one that is not yet will see `stopping` when it comes up. */
  const ask = (request: (live: Keeper.LiveEngine) => Effect.Effect<unknown, unknown>) => {
    const live = engine
    // The engine's death while it is asked is the keeper's news, not ours.
    if (live !== null) Effect.runFork(Effect.ignore(request(live)))
  }
  const stop = () => {
    stopping = true
    ask((live) => live.handle.client.Stop())
  }
  const said = (name: string, action: string) => journal.emit(event("signal.received", plan.name, { signal: name, action }))
  yield* Signals.install({
    onStop: (name) => {
      signal = name
      said(name, "finishing the step and saving; once more to stop now")
      stop()
    },
    onStopNow: (name) => {
      engine?.handle.kill("SIGKILL")
      process.exit(Signals.exitCodes[name])
    },
    onCheckpoint: () => {
      said("SIGUSR1", "taking a checkpoint")
      ask((live) => live.handle.client.TakeSnapshot())
    },
    onHangUp: () => said("SIGHUP", "going on")
  })

  const first = yield* preload(keeperOptions(plan, todo[0]!, base, stopAfter), todo[0]!)
  const { loaded } = first.engine
  const place = existingAncestor(plan.dir)
  const room = yield* Budget.assess(place, loaded.state_bytes)
  if (room._tag === "Short") return yield* new DiskTooSmall({ path: place, needed: room.needed, free: room.free })

  if (options.fresh && existsSync(plan.dir)) renameSync(plan.dir, `${plan.dir}.${started.toISOString().replaceAll(":", "-")}`)
  if (!existsSync(plan.dir)) {
    mkdirSync(plan.dir, { recursive: true })
    yield* claimRunDir(plan.dir)
  }
  const study = describeRun(plan, plan.kind === "study" ? null : plan.variants[0]!, loaded)
  for (const change of plan.previous === null ? [] : Environment.changes(plan.previous.environment, study.environment)) {
    journal.emit(event("environment.changed", plan.name, change))
  }
  const current = RunStatus.make({
    name: plan.name, kind: plan.kind, profile: plan.profile, device: plan.device, precision: loaded.precision,
    data: plan.data ?? "drawn pictures", random_weights: plan.randomWeights
  }, started)
  status = current
  const log = yield* journal.open(plan.dir, plan.name)
  let tree: Supervisor<never> | null = null
  let checkpointer: Checkpointer | null = null
  const toStatus = (): Status => current.toStatus({
    actors: [
      { name: "event_log", depth: 0, state: "idle", detail: `seq ${log.lastSeq()}`, up_seconds: (Date.now() - started.getTime()) / 1000, restarts: 0, mailbox: null, handles: null, last_seconds: null },
      ...(tree?.children() ?? []).filter(({ name }) => name !== "engine").map((child): ActorStatus => ({
        name: child.name, depth: 0, state: child.state, detail: child.op, up_seconds: child.up_seconds, restarts: child.restarts, mailbox: child.mailbox, handles: null, last_seconds: child.last_seconds
      }))
    ],
    disk: { path: plan.dir, free_bytes: freeBytes(plan.dir), next_checkpoint_bytes: checkpointer?.nextBytes() ?? loaded.state_bytes }
  })
  yield* serve(plan.dir, { status: toStatus, stop, checkpoint: () => ask((live) => live.handle.client.TakeSnapshot()) })
  if (plan.kind === "study") yield* RunJson.write(plan.dir, study)
  options.onStarted(toStatus)
  journal.emit(event("study.started", plan.name, { variants: plan.variants.map(({ run }) => run), config: plan.configFile }))

  /** run.json on a full disk stays as it was: what is lost is news, not the run. */
  const record = (variant: PlannedVariant, run: RunJson.RunJson) => RunJson.write(variant.dir, run).pipe(
    Effect.catch((error) => Effect.sync(() => journal.emit(event("log.dropped", variant.run, { events: 1, reason: error.message })))))

  /** The table as it stands, on disk too: a study that fails shows what it has. */
  const tabulate = Results.collect(plan).pipe(Effect.tap((table) => Results.write(plan.dir, table).pipe(
    Effect.catch((error) => Effect.sync(() => journal.emit(event("log.dropped", plan.name, { events: 1, reason: error.message })))))))

  for (const variant of todo) {
    const began = performance.now()
    const restartsBefore = current.restarts()
    current.enter(variant.run, plan.kind === "study" ? { name: variant.run, index: plan.variants.indexOf(variant) + 1, count: plan.variants.length } : null)
    let description = describeRun(plan, variant, loaded)
    const onEngine = (live: Keeper.LiveEngine | null) => {
      engine = live
      if (live === null) return
      description = { ...description, steps: live.loaded.steps, libtorch: live.loaded.libtorch }
      journal.emit(event("run.started", variant.run, {
        profile: plan.profile, device: plan.device, precision: live.loaded.precision, data: plan.data ?? "drawn pictures", images: live.loaded.images,
        steps: live.loaded.steps, resumed_from: live.resumedFrom?.step ?? null, random_weights: plan.randomWeights
      }))
    }
    mkdirSync(variant.dir, { recursive: true })
    yield* record(variant, description)
    const counted = () => (variant.previous?.restarts ?? 0) + current.restarts() - restartsBefore
    const ended = yield* runVariant({
      plan, variant, keeper: keeperOptions(plan, variant, base, stopAfter), status: current, emit: journal.emit, preloaded: variant === todo[0] ? first : null,
      onEngine, stopping: () => stopping, onTree: (supervised, saver) => { tree = supervised; checkpointer = saver }
    }).pipe(Effect.catch(Effect.fnUntraced(function*(error) {
      const cause = rootCause(error) as { readonly _tag?: string; readonly message?: string; readonly help?: string }
      const reason = cause.message ?? String(cause)
      journal.emit(event("run.failed", variant.run, { error: cause._tag ?? "Error", message: reason, step: current.step() }))
      yield* record(variant, { ...description, state: "failed", step: current.step(), restarts: counted() })
      return yield* new RunFailed({
        run: variant.run, reason, exitCode: unsupported(error), table: yield* tabulate,
        help: cause.help ?? `what happened: rae events ${plan.name} --level warn; go on from the last checkpoint: rae run ${plan.configFile}`
      })
    })))
    const step = ended.trained?.step ?? ended.committed ?? 0
    const finished = ended.trained?.finished === true
    const means = ended.trained?.means ?? {}
    yield* record(variant, {
      ...description, state: finished ? "done" : "stopped", step, restarts: counted(), result: Object.keys(means).length === 0 ? description.result : { means, step }
    })
    journal.emit(finished
      ? event("run.finished", variant.run, { step, restarts: counted(), seconds: (performance.now() - began) / 1000 })
      : event("run.stopped", variant.run, { step, reason: signal ?? (stopping ? "asked to" : `--stop-after ${stopAfter}`), saved: ended.committed === step }))
    if (!finished) break
  }

  const table = yield* tabulate
  const done = table.rows.every(({ state }) => state === "done")
  const seconds = (Date.now() - started.getTime()) / 1000
  if (done) journal.emit(event("study.finished", plan.name, { variants: table.rows.length, restarts: current.restarts(), seconds }))
  if (plan.kind === "study") yield* Effect.ignore(RunJson.write(plan.dir, { ...study, state: done ? "done" : "stopped", restarts: current.restarts(), step: current.step() }))
  yield* journal.flush
  const outcome: StudyOutcome = { kind: done ? "done" : "stopped", signal, step: current.step(), table }
  return outcome
}, Effect.scoped)
