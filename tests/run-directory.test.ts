/** Where a run's files lie, entered anew, again, or by two at once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fallbackOf } from "../actors/checkpoint-stores.ts"
import { enterRunDir } from "../actors/run-directory.ts"
import type { PlannedVariant, RunPlan } from "../actors/run-plan.ts"

const place = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "rae-directory-"))), (dir) => Effect.sync(() => rmSync(dir, { recursive: true })))
const at = new Date(0)

/** A run with a second directory for its checkpoints; nothing else of a plan is looked at. */
const planned = (root: string) => {
  const dir = join(root, "runs/r")
  const variant = { dir, config: { checkpoint: { fallback_dir: join(root, "second") } } } as PlannedVariant
  return { plan: { dir, variants: [variant] } as unknown as RunPlan, dir, fallback: fallbackOf(variant)! }
}

describe("the run's directory", () => {
  it.effect("is made anew beside the old one, whose second directory moves aside with it", () => Effect.scoped(Effect.gen(function*() {
    const { dir, fallback, plan } = planned(yield* place)
    for (const checkpoint of [join(dir, "checkpoints/step-000000004"), join(fallback, "step-000000006")]) mkdirSync(checkpoint, { recursive: true })
    yield* enterRunDir(plan, { at, claimed: true, fresh: true })
    assert.deepStrictEqual([join(dir, "run.lock"), join(dir, "checkpoints"), fallback].map((path) => existsSync(path)), [true, false, false])
    assert.isTrue(existsSync(`${dir}.1970-01-01T00-00-00.000Z/checkpoints/step-000000004`))
    assert.isTrue(existsSync(`${fallback}.1970-01-01T00-00-00.000Z/step-000000006`))
  })))

  it.effect("moves a variant's second directory to where the moved variant is looked for", () => Effect.scoped(Effect.gen(function*() {
    const { dir, plan } = planned(yield* place)
    const variant = { ...plan.variants[0]!, dir: join(dir, "a") }
    for (const made of [dir, fallbackOf(variant)!]) mkdirSync(made, { recursive: true })
    yield* enterRunDir({ ...plan, variants: [variant] }, { at, claimed: true, fresh: true })
    assert.isTrue(existsSync(fallbackOf({ ...variant, dir: `${dir}.1970-01-01T00-00-00.000Z/a` })!))
  })))

  it.effect("is entered by one of two that began at the same time", () => Effect.scoped(Effect.gen(function*() {
    const { plan } = planned(yield* place)
    yield* enterRunDir(plan, { at, claimed: false, fresh: false })
    assert.strictEqual((yield* Effect.flip(enterRunDir(plan, { at, claimed: false, fresh: false })))._tag, "RunInUse")
  })))

  it.effect("is not entered where another run has begun and ended meanwhile", () => Effect.scoped(Effect.gen(function*() {
    const { dir, plan } = planned(yield* place)
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, "run.json"), "{}")
    assert.strictEqual((yield* Effect.flip(enterRunDir(plan, { at, claimed: false, fresh: false })))._tag, "RunInUse")
  })))

  it.effect("says where it cannot be made", () => Effect.scoped(Effect.gen(function*() {
    const root = yield* place
    writeFileSync(join(root, "runs"), "a file")
    const error = yield* Effect.flip(enterRunDir(planned(root).plan, { at, claimed: false, fresh: false }))
    assert.match(error.message, /^cannot use .*runs\/r: ENOTDIR/)
  })))
})
