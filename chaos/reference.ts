/** The undisturbed run that every trial is compared with, and its shape, which the moments of faults are drawn from. */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { StampedEvent } from "../actors/journal.ts"
import type { RunConfig } from "../src/config/schema.ts"
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
  const steps = events.filter(isOf("train.step")).map(({ run, step }) => ({ variant: variantOf(run), step }))
  const variants = [...new Set(steps.map(({ variant }) => variant))]
  const saves = variants.map((variant) => savesOf(readConfig(join(runDir, variant)), events.filter((event) => variantOf(event.run) === variant)))
  return {
    fingerprint: await fingerprint(runDir),
    shape: {
      steps, seconds,
      commits: variants.flatMap((variant, i) => saves[i]!.steps.map((step) => ({ variant, step }))),
      variants,
      evaluations: events.filter(({ type }) => type === "eval.finished").length,
      pruned: saves.reduce((sum, { pruned }) => sum + pruned, 0),
      checkpointBytes: inPieces(Math.max(0, ...events.filter(isOf("checkpoint.committed")).map(({ bytes }) => bytes))),
      cached: events.filter(isOf("feature_cache.used")).some(({ enabled }) => enabled)
    }
  }
}

const pieceBytes = 64 * 1024
/** The text of a checkpoint's losses is a few bytes longer in one run than in another. */
const inPieces = (bytes: number): number => Math.ceil(bytes / pieceBytes) * pieceBytes

const readConfig = (dir: string) => (JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as { readonly config: RunConfig }).config

/** The steps that are due to be saved, and how many checkpoints give way to them. Which were saved indeed hangs on how busy the disk was: a plan must not. */
const savesOf = ({ checkpoint, training }: RunConfig, events: ReadonlyArray<StampedEvent>) => {
  const isDue = (number: number, every: number) => every > 0 && number % every === 0
  const ends = new Set(events.filter(isOf("train.epoch")).filter(({ epoch }) => isDue(epoch + 1, training.checkpoint_interval)).map(({ step }) => step))
  const last = events.findLast(isOf("train.step"))?.step
  const steps = [...new Set(events.filter(isOf("train.step")).map(({ step }) => step))].filter((step) => isDue(step, checkpoint.every_steps) || ends.has(step) || step === last)
  return { steps, pruned: Math.max(0, steps.length - checkpoint.keep_last) }
}
