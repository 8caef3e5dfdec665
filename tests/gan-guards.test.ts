/** Guards of adversarial training: when they speak, and how often. */
import { assert, it } from "vitest"
import { makeGanGuards, type Observation } from "../actors/gan-guards.ts"
import type { RunConfig } from "../src/config/schema.ts"

const config = (more: object = {}) => ({
  divergence: { max_skipped: 5, patience: 10, min_disc_loss: 0.01, max_ema_distance: 0.5, action: "warn", ...more }, gan: { loss: { max_d_weight: 100 } }
}) as unknown as Pick<RunConfig, "divergence" | "gan">
const calm: Observation = { step: 0, weight: 1, disc: 1, emaDistance: 0.1 }
/** What is said over some steps, each as `at` has it. */
const said = (steps: number, at: (step: number) => Partial<Observation>, guards = makeGanGuards(config())) =>
  Array.from({ length: steps }, (_, i) => i + 1).flatMap((step) => guards.observe({ ...calm, ...at(step), step }).map(({ guard, steps: lasted, value }) => ({ step, guard, value, lasted })))

it("say nothing of a calm run, nor of phases that are off", () => {
  assert.deepStrictEqual(said(1000, () => ({})), [])
  assert.deepStrictEqual(said(1000, () => ({ weight: null, disc: null, emaDistance: null })), [])
})

it("each speaks once when it has lasted, and again only after it was over", () => {
  assert.deepStrictEqual(said(100, () => ({ disc: 0.001 })), [{ step: 10, guard: "discriminator loss", value: 0.001, lasted: 10 }])
  assert.deepStrictEqual(said(100, (step) => ({ weight: step % 50 === 0 ? 99 : 100 })).map(({ step }) => step), [10, 60])
  assert.deepStrictEqual(said(100, (step) => ({ weight: step % 9 === 0 ? 99 : 100 })), [], "interrupted every time")
})

it("a figure that is measured now and then counts by the steps between", () => {
  assert.deepStrictEqual(said(40, (step) => ({ emaDistance: step % 7 === 0 ? 0.9 : null })), [{ step: 21, guard: "distance of the average", value: 0.9, lasted: 15 }])
})

it("are off at 0", () => {
  assert.deepStrictEqual(said(40, () => ({ disc: -1, emaDistance: 9 }), makeGanGuards(config({ min_disc_loss: 0, max_ema_distance: 0 }))), [])
})
