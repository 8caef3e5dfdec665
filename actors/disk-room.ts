/** What gives way to a checkpoint on a full disk, the cheapest loss first. Old checkpoints that the config keeps are never given up. */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import { releaseBallast } from "../src/checkpoint/ballast.ts"
import * as Budget from "../src/checkpoint/budget.ts"
import { ballastFile } from "../src/checkpoint/layout.ts"
import type { Store } from "../src/checkpoint/store.ts"
import { openFeatureCache } from "../src/data/feature-cache.ts"
import { fallbackOf } from "./checkpoint-stores.ts"
import { DiskTooSmall } from "./run-errors.ts"
import type { PlannedVariant } from "./run-plan.ts"

export const ballastOf = ({ directory }: Store): string => join(directory, ballastFile)

const deviceOf = async (path: string): Promise<number | null> => {
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null)
    if (found !== null) return found.dev
    if (dirname(at) === at) return null
  }
}

/** Latents can be encoded again. Those on another disk would be lost for nothing. */
export const evictFeatures = (directory: string, cacheDir: string): Budget.ReclaimStep => ({
  name: "feature cache",
  run: Effect.promise(async () => {
    if (!existsSync(cacheDir) || await deviceOf(directory) !== await deviceOf(cacheDir)) return 0
    return (await openFeatureCache({ dir: cacheDir, maxBytes: 0 })).evictAll()
  })
})

/** `prune` gives the number of checkpoints that it removed. */
export const roomIn = (store: Store, cacheDir: string, prune: Budget.ReclaimStep["run"]): ReadonlyArray<Budget.ReclaimStep> => [
  { name: "ballast", run: releaseBallast(ballastOf(store)) },
  evictFeatures(store.directory, cacheDir),
  { name: "quarantined checkpoints", run: store.dropQuarantine },
  { name: "expired checkpoints", run: prune }
]

/** Room for the first checkpoint of a new run, in its directory or the second one, with the cache given up for it if need be. */
export const requireRoom = Effect.fnUntraced(function*(variant: PlannedVariant, needed: number, cacheDir: string) {
  const fallback = fallbackOf(variant)
  const places = [variant.dir, ...(fallback === null ? [] : [fallback])]
  let most = 0
  for (const place of places) {
    const { enough, free } = yield* Budget.reclaim(place, needed, [evictFeatures(place, cacheDir)])
    if (enough) return
    most = Math.max(most, free)
  }
  return yield* new DiskTooSmall({ path: variant.dir, needed, free: most })
})
