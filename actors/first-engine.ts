/** The engine of the first variant to run: started and loaded before anything is created, so that wrong input leaves nothing behind. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Store } from "../src/checkpoint/store.ts"
import { defaultFeatureDir } from "../src/data/feature-cache.ts"
import * as Environment from "./engine-environment.ts"
import * as Keeper from "./engine-keeper.ts"
import type { DataSpec } from "./engine-protocol.ts"
import { make as event } from "./events.ts"
import type { PlannedVariant, RunPlan } from "./run-plan.ts"

/** An engine that is up, with the scope it lives in. */
export interface Preloaded {
  readonly engine: Keeper.LiveEngine
  readonly scope: Scope.Closeable
  /** How many were started until one was loaded. */
  readonly attempt: number
}

const dataSpec = ({ config }: PlannedVariant): DataSpec => config.data.path === null
  ? { _tag: "Synthetic", images: config.data.synthetic?.images ?? 0, held_out: config.eval.images }
  : { _tag: "Folder", path: config.data.path }

/** What the engine of a variant is started with. */
export const keeperOptions = (plan: RunPlan, variant: PlannedVariant, base: Pick<Keeper.Options, "emit" | "flush" | "onReport" | "step" | "stepSeconds">, stopAfter: number | null): Keeper.Options => ({
  ...base, run: variant.run, configHash: variant.hash, stopAfter, environment: Environment.forEngine(plan.device), hangSeconds: variant.config.supervision.hang_seconds,
  request: {
    run: variant.run, run_dir: variant.dir, variants: plan.variants.length, config: variant.config, data: dataSpec(variant), eval_data: variant.config.eval.data_path, device: Environment.deviceInEngine(plan.device),
    cache_dir: defaultFeatureDir(process.env)
  }
})

/** One that is killed while it loads is started again; any other failure is the caller's. The engine lives until its scope closes, or the caller's. */
export const firstEngine = (options: Keeper.Options, { config }: PlannedVariant, stores: ReadonlyArray<Store>) => {
  let attempt = 0
  return Effect.gen(function*() {
    attempt++
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const engine = yield* Keeper.launch(options, attempt, stores).pipe(Effect.provideService(Scope.Scope, scope))
    return { engine, scope, attempt } satisfies Preloaded
  }).pipe(
    Effect.tapError((error) => Effect.sync(() => {
      if (Keeper.isKilled(error) && error._tag === "ChildExited") options.emit(event("engine.exited", options.run, { pid: error.pid, code: error.code, signal: error.signal, step: null, stderr: [...error.stderr] }))
    })),
    Effect.retry({ times: config.supervision.max_without_progress, while: Keeper.isKilled })
  )
}
