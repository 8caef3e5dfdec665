/**
 * The supervisor program behind `rae run`: checks everything, then trains the study's variants one after another, each exactly once.
 *
 * Nothing is created before the first engine has loaded data, weights and device and done a dry step; wrong input leaves nothing behind.
 */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, renameSync, statfsSync } from "node:fs"
import { dirname } from "node:path"
import * as Budget from "../src/checkpoint/budget.ts"
import { claimRunDir } from "../src/runtime/lock.ts"
import { rootCause, type Supervisor } from "../src/runtime/supervisor.ts"
import type { Checkpointer } from "./checkpointer.ts"
import { openStores } from "./checkpoint-stores.ts"
import * as Environment from "./engine-environment.ts"
import * as Keeper from "./engine-keeper.ts"
import { make as event } from "./events.ts"
import { firstEngine, keeperOptions } from "./first-engine.ts"
import { makeJournal, type StampedEvent } from "./journal.ts"
import { describeRun, describeStudy } from "./run-description.ts"
import { DiskTooSmall, exitCodeOf, RunFailed } from "./run-errors.ts"
import { plan as makePlan, type PlannedVariant, type SuperviseOptions as PlanOptions } from "./run-plan.ts"
import * as RunJson from "./run-json.ts"
import * as RunStatus from "./run-status.ts"
import { runVariant } from "./run-variant.ts"
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

const freeBytes = (dir: string): number => {
  const { bavail, bsize } = statfsSync(dir)
  return bavail * bsize
}

const existingAncestor = (path: string): string => existsSync(path) ? path : existingAncestor(dirname(path))

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

  const stores = existsSync(todo[0]!.dir) ? yield* openStores(todo[0]!) : []
  const first = yield* firstEngine(keeperOptions(plan, todo[0]!, base, stopAfter), todo[0]!, stores)
  const { loaded } = first.engine
  const place = existingAncestor(plan.dir)
  const room = yield* Budget.assess(place, loaded.state_bytes)
  if (room._tag === "Short") return yield* new DiskTooSmall({ path: place, needed: room.needed, free: room.free })

  if (options.fresh && existsSync(plan.dir)) renameSync(plan.dir, `${plan.dir}.${started.toISOString().replaceAll(":", "-")}`)
  if (!existsSync(plan.dir)) {
    mkdirSync(plan.dir, { recursive: true })
    yield* claimRunDir(plan.dir)
  }
  const study = describeStudy(plan, loaded)
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
        run: variant.run, reason, exitCode: exitCodeOf(error), table: yield* tabulate,
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
