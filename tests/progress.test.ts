import { assert, it } from "vitest"
import { advanced, beginning } from "../actors/progress.ts"

const step = (rec: number) => ({ losses: { total: rec, rec, lpips: null, gan: null, disc: null }, weight: null })

it("goes through epochs, each with the means of its own steps", () => {
  const after = [1, 3, 5].reduce((progress, rec) => advanced(progress, step(rec), 2), beginning)
  assert.deepInclude(after, { step: 3, epoch: 1, position: 1, last_epoch: { total: 2, rec: 2 }, sums: { total: 5, rec: 5 }, counts: { total: 1, rec: 1 } })
})

it("goes on past a step that was passed over, in mid-epoch and at its end", () => {
  const first = advanced(advanced(beginning, step(1), 3), null, 3)
  assert.deepInclude(first, { step: 2, epoch: 0, position: 2, sums: { total: 1, rec: 1 }, counts: { total: 1, rec: 1 } })
  assert.deepInclude(advanced(first, null, 3), { step: 3, epoch: 1, position: 0, last_epoch: { total: 1, rec: 1 }, sums: {}, counts: {} })
})
