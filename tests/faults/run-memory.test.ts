/** Too little memory: fewer images at a time, the same results but for rounding; found by the dry step, or in the middle of a step. */
import { assert, beforeAll, it } from "vitest"
import { makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
/** Batches of eight at once, three steps. */
const words = ["--set", "training.batch_size=8", "--set", "training.global_batch_size=8", "--set", "data.synthetic.images=24", "--set", "training.epochs=1", "--set", "checkpoint.every_steps=2"]

const only = async (name: string) => {
  const events = await place.events(name)
  return {
    dry: events.find((event) => event.type === "train.dry_step")!,
    changes: events.filter((event) => event.type === "train.micro_batch").map(({ from, rolled_back_to, step, to }) => ({ step, from, to, rolled_back_to })),
    last: events.findLast((event) => event.type === "train.step")!,
    engines: events.filter(({ type }) => type === "engine.started").length,
    down: events.filter(({ type }) => type === "supervisor.child_down").length
  }
}
beforeAll(async () => {
  await Promise.all([place.done(place.runWords("undisturbed", ...words)), place.done(place.runWords("single", ...words, "--set", "training.batch_size=1"))])
})
const assertSameLosses = async (name: string) => {
  const [got, wanted] = [(await only(name)).last, (await only("undisturbed")).last]
  assert.strictEqual(got.step, 3)
  for (const loss of ["total", "rec", "lpips", "gan", "disc"] as const) {
    const value = wanted[loss] ?? Number.NaN
    assert.closeTo(got[loss] ?? Number.NaN, value, 1e-3 * Math.max(1, Math.abs(value)), loss)
  }
}

it("the dry step finds what fits under a real limit, and the run goes on with it", async () => {
  const { dry: whole } = await only("undisturbed"), { dry: one } = await only("single")
  assert.deepStrictEqual([whole.micro_batch, one.micro_batch], [8, 1])
  assert.isBelow(one.bytes, whole.bytes)
  // The allocator keeps 3 % of the limit for others.
  const limit = Math.round((one.bytes + whole.bytes) / 2 / 0.97)
  const { stderr } = await place.done(place.runWords("limited", ...words), { env: { RAE_MEMORY_LIMIT: String(limit) } })
  const { changes, dry, engines } = await only("limited")
  assert.strictEqual(engines, 1, stderr)
  assert.isBelow(dry.micro_batch, 8)
  assert.isAtLeast(dry.micro_batch, 1)
  assert.isAtMost(dry.bytes, limit)
  assert.deepStrictEqual(changes, [{ step: 0, from: 8, to: dry.micro_batch, rolled_back_to: null }])
  await assertSameLosses("limited")
})

it("where one image is too many, the run ends with that, after one start", async () => {
  const { dry } = await only("single")
  const { code, stderr } = await place.rae(place.runWords("starved", ...words), { env: { RAE_MEMORY_LIMIT: String(Math.round(dry.bytes / 2)) } })
  assert.strictEqual(code, 1, stderr)
  assert.match(stderr, /not even one image at a time finds memory: .*not enough memory/)
  assert.isFalse(place.exists("runs", "starved"), "nothing was made")
})

it("in mid-step: before the update the batch is taken again, after it the state goes back first; no actor is restarted", async () => {
  const { stderr } = await place.done(place.runWords("midstep", ...words), { env: { RAE_FAULT: "generator.backward@2:memory,discriminator.learn@3:memory" } })
  const { changes, down } = await only("midstep")
  assert.deepStrictEqual(changes, [{ step: 1, from: 8, to: 4, rolled_back_to: null }, { step: 2, from: 4, to: 2, rolled_back_to: 2 }], stderr)
  assert.strictEqual(down, 0)
  await assertSameLosses("midstep")
})
