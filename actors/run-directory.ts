/** The run's directory comes to be: a new one, the one that is there, or a new one beside an old one that was moved aside. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, mkdirSync, renameSync } from "node:fs"
import { join, relative } from "node:path"
import { claimRunDir, RunInUse } from "../src/runtime/lock.ts"
import { fallbackOf } from "./checkpoint-stores.ts"
import * as RunJson from "./run-json.ts"
import type { RunPlan } from "./run-plan.ts"

export class RunDirUnusable extends Schema.TaggedError<RunDirUnusable>()("RunDirUnusable", { path: Schema.String, reason: Schema.String }) {
  readonly exitCode = 2
  readonly help = "choose another place with --runs-dir or RAE_RUNS_DIR"
  override get message() { return `cannot use ${this.path}: ${this.reason}` }
}

const change = (path: string, act: () => void) =>
  Effect.try({ try: act, catch: (cause) => new RunDirUnusable({ path, reason: cause instanceof Error ? cause.message : String(cause) }) })

/** Nothing is deleted. The directory goes last: a kill before it leaves an old run, which `--fresh` can move again. */
const moveAside = ({ dir, variants }: RunPlan, suffix: string) => {
  const aside = `${dir}.${suffix}`
  // A variant's second directory is named for the variant's own, which lies within the one that moves.
  const moves = [...variants.map((variant) => [fallbackOf(variant), fallbackOf({ ...variant, dir: join(aside, relative(dir, variant.dir)) })] as const), [dir, aside] as const]
  return Effect.forEach(moves, ([from, to]) => from === null || to === null || !existsSync(from) ? Effect.void : change(from, () => renameSync(from, to)), { discard: true })
}

export interface Entry {
  /** Claimed already, because it was there before anything was loaded. */
  readonly claimed: boolean
  readonly fresh: boolean
  readonly at: Date
}

/** Makes the directory where it does not exist, and claims it until the scope closes. */
export const enterRunDir = Effect.fnUntraced(function*(plan: RunPlan, { at, claimed, fresh }: Entry) {
  if (fresh) yield* moveAside(plan, at.toISOString().replaceAll(":", "-"))
  else if (claimed) return
  yield* change(plan.dir, () => mkdirSync(plan.dir, { recursive: true }))
  yield* claimRunDir(plan.dir)
  // Two of one name may have loaded at the same time: what the other has begun is not what this one has planned.
  if (existsSync(RunJson.pathIn(plan.dir))) return yield* new RunInUse({ dir: plan.dir })
})
