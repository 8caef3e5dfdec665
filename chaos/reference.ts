/** The undisturbed run that every trial is compared with, and its shape, which the moments of faults are drawn from. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import type { Shape } from "./fault.ts"
import { eventsOf, type Fingerprint, fingerprint, isOf, variantOf } from "./fingerprint.ts"
import { type RunSettings, startRun } from "./run-settings.ts"

export interface Reference {
  readonly fingerprint: Fingerprint
  readonly shape: Shape
}

/** There is nothing to compare with. */
export class ReferenceFailed extends Error {
  readonly _tag = "ReferenceFailed"
  readonly exitCode = 2
}

export const runReference = async (settings: RunSettings, words: ReadonlyArray<string> = []): Promise<Reference> => {
  const dir = join(settings.dir, "reference")
  rmSync(dir, { recursive: true, force: true })
  const began = performance.now()
  const run = startRun(settings, { runsDir: dir, name: "run", cacheDir: join(dir, "cache"), env: {}, words })
  const { code, signal } = await run.ended
  if (code !== 0) throw new ReferenceFailed(`the undisturbed run ended with ${signal ?? `exit code ${code}`}\n${run.said().trimEnd()}`)
  const seconds = (performance.now() - began) / 1000
  const runDir = join(dir, "run")
  const events = await eventsOf(runDir)
  const commits = events.filter(isOf("checkpoint.committed"))
  const steps = events.filter(isOf("train.step")).map(({ run, step }) => ({ variant: variantOf(run), step }))
  return {
    fingerprint: await fingerprint(runDir),
    shape: {
      steps, seconds,
      commits: commits.map(({ run, step }) => ({ variant: variantOf(run), step })),
      variants: [...new Set(steps.map(({ variant }) => variant))],
      evaluations: events.filter(({ type }) => type === "eval.finished").length,
      pruned: events.filter(isOf("checkpoint.pruned")).reduce((sum, { steps }) => sum + steps.length, 0),
      checkpointBytes: Math.max(0, ...commits.map(({ bytes }) => bytes)),
      cached: events.filter(isOf("feature_cache.used")).some(({ enabled }) => enabled)
    }
  }
}
