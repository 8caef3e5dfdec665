/** Where a run's checkpoints lie: in its own directory, and in `checkpoint.fallback_dir` where one is configured. */
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fallbackPlace } from "../src/checkpoint/layout.ts"
import * as Stores from "../src/checkpoint/store.ts"
import type { PlannedVariant } from "./run-plan.ts"

/** The place of this run below the second directory, which other runs may share; null where none is configured. */
export const fallbackOf = ({ config, dir }: PlannedVariant): string | null =>
  config.checkpoint.fallback_dir === null ? null : fallbackPlace(config.checkpoint.fallback_dir, dir)

const directoriesOf = (variant: PlannedVariant): ReadonlyArray<string> => {
  const fallback = fallbackOf(variant)
  return [join(variant.dir, "checkpoints"), ...(fallback === null ? [] : [fallback])]
}

const open = ({ config }: PlannedVariant, directories: ReadonlyArray<string>) => {
  const { keep_every, keep_last } = config.checkpoint
  return Effect.forEach(directories, (directory) => Stores.open({ directory, retention: { keep_last, keep_every: keep_every === 0 ? null : keep_every } }))
}

/** The run's own directory first; both are made where they do not exist, at the first save where the disk refuses now. */
export const openStores = (variant: PlannedVariant) => open(variant, directoriesOf(variant))

/** Those that there are; makes nothing. */
export const openExistingStores = (variant: PlannedVariant) => open(variant, directoriesOf(variant).filter((directory) => existsSync(directory)))
