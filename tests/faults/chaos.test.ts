/** `npm run chaos`: what it draws, what it compares, and a short campaign of real runs. */
import { assert, describe, it } from "vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { make as event } from "../../actors/events.ts"
import type { StampedEvent } from "../../actors/journal.ts"
import { recorded } from "../../chaos/campaign.ts"
import type { Scene, Shape } from "../../chaos/fault.ts"
import { kinds, planOf } from "../../chaos/faults/all.ts"
import { differences, lossesOf, stepKey } from "../../chaos/fingerprint.ts"
import { Over } from "../../chaos/watch.ts"

const steps = Array.from({ length: 24 }, (_, i) => ({ variant: "", step: i + 1 }))
const shape: Shape = {
  steps, commits: steps.filter(({ step }) => step % 3 === 0), variants: [""], evaluations: 2, pruned: 5, checkpointBytes: 600_000, cached: true, seconds: 2
}
const texts = (seed: number, trials: number) => Array.from({ length: trials }, (_, trial) => planOf(seed, trial, kinds, shape)?.plans.map(({ text }) => text).join("; "))

describe("trials", () => {
  it("are a pure function of seed and number, whatever was drawn before", () => {
    const all = texts(7, 60)
    assert.deepStrictEqual(texts(7, 60), all)
    assert.strictEqual(planOf(7, 41, kinds, shape)?.plans.map(({ text }) => text).join("; "), all[41])
    assert.isAbove(texts(8, 60).filter((text, trial) => text !== all[trial]).length, 50)
  })

  it("take turns over every kind that can happen in the run", () => {
    const drawn = new Set(Array.from({ length: kinds.length }, (_, trial) => planOf(3, trial, kinds, shape)?.kind.name))
    assert.deepStrictEqual(kinds.filter(({ name }) => !drawn.has(name)).map(({ name }) => name), ["supervisor-kill-between"], "the run has one variant")
    const study = { ...shape, variants: ["a", "b"], steps: ["a", "b"].flatMap((variant) => steps.map(({ step }) => ({ variant, step }))) }
    assert.include(planOf(3, 0, kinds.filter(({ name }) => name === "supervisor-kill-between"), study)?.plans[0]?.text, "SIGKILL to the supervisor")
  })
})

describe("a fault that did not strike", () => {
  const planned = (name: string) => planOf(1, 0, kinds.filter((kind) => kind.name === name), shape)!.plans[0]!

  it("is known by the absence of what it leads to", () => {
    for (const name of ["actor-live", "enospc", "write-error"]) assert.isFalse(planned(name).struck?.({ events: [], shape, alone: true }), name)
    const dropped = { seq: 1, time: "2026-01-31T12:00:00.000Z", type: "log.dropped" } as unknown as StampedEvent
    assert.isTrue(planned("enospc").struck?.({ events: [dropped], shape, alone: true }))
  })

  it("is damage to a cache that holds nothing", () => {
    const scene = { cacheDir: join(import.meta.dirname, "no such cache"), strike: (_: unknown, act: () => unknown) => act() } as unknown as Scene
    assert.throws(() => void planned("cache-damage").act?.(scene), Over)
  })
})

describe("a record", () => {
  it("holds the trials that the same words replay, and no others", () => {
    const dir = mkdtempSync(join(tmpdir(), "rae-chaos-record-"))
    try {
      const file = join(dir, "record")
      writeFileSync(file, `${JSON.stringify({ trial: 0, replay: "chaos 0" })}\n${JSON.stringify({ trial: 1, replay: "chaos 1 --faults enospc" })}\n${JSON.stringify({ trial: 2 })}\n{"trial":3`)
      assert.deepStrictEqual(recorded(file, (trial) => `chaos ${trial}`).map(({ trial }) => trial), [0])
      assert.deepStrictEqual(recorded(null, (trial) => `chaos ${trial}`), [])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

describe("comparison", () => {
  const step = (number: number, rec: number): StampedEvent => ({
    seq: number, time: "2026-01-31T12:00:00.000Z",
    ...event("train.step", "run", { step: number, epoch: 0, total: rec, rec, lpips: null, gan: null, disc: null, weight: null, lr: 1e-4, grad_norm: null, images_per_second: 1, seconds: {} })
  })
  const events = [step(1, 0.5), step(2, 0.25)]
  const reference = { state: ["decoder.a float32 [2] 00ff", "state.step 2"], losses: new Map(events.map((each) => [stepKey("run", (each as { readonly step: number }).step), lossesOf(each as never)])) }

  it("finds a tensor with another hash, a counter, and the losses of one step that was computed twice", () => {
    assert.deepStrictEqual(differences(reference, reference, events), [])
    assert.deepStrictEqual(differences(reference, { ...reference, state: ["decoder.a float32 [2] 01ff", "state.step 2"] }, events), ["1 of 2 tensors and counters differ: decoder.a"])
    assert.deepStrictEqual(differences(reference, { ...reference, state: ["decoder.a float32 [2] 00ff", "state.step 3"] }, events), ["1 of 2 tensors and counters differ: state.step"])
    assert.deepStrictEqual(differences(reference, reference, [...events, step(2, 0.250001)]), ["the losses of 1 steps differ: 2"])
  })
})

describe("a campaign", () => {
  const chaos = (...words: ReadonlyArray<string>) => {
    const dir = mkdtempSync(join(tmpdir(), "rae-chaos-test-"))
    try {
      return spawnSync(process.execPath, [resolve(import.meta.dirname, "../../chaos/main.ts"), "--dir", dir, ...words], { encoding: "utf8", env: { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" } })
    } finally {
      rmSync(dir, { recursive: true, maxRetries: 5, retryDelay: 100 })
    }
  }

  it("of two real runs ends equal, and says what it cost", { timeout: 300_000 }, () => {
    const { status, stderr, stdout } = chaos("--seed", "2", "--trials", "2", "--faults", "engine-sigkill,write-error", "--json")
    assert.strictEqual(status, 0, stderr + stdout)
    const { rows, trials } = JSON.parse(stdout) as { readonly rows: ReadonlyArray<{ readonly fault: string; readonly trials: number; readonly ended_as_it_must: number }>; readonly trials: ReadonlyArray<{ readonly replay: string }> }
    assert.deepStrictEqual(rows.map(({ fault }) => fault), ["engine-sigkill", "write-error"])
    for (const row of rows) assert.strictEqual(row.ended_as_it_must, row.trials, stdout)
    assert.strictEqual(trials[1]?.replay, "npm run chaos -- --seed 2 --only 1 --faults engine-sigkill,write-error")
  })

  it("refuses a kind of fault that there is not", () => {
    const { status, stderr } = chaos("--faults", "earthquake")
    assert.strictEqual(status, 2)
    assert.match(stderr, /^error: unknown kind of fault `earthquake`/)
  })
})
