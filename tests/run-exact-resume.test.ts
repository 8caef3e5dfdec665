/** Stop in mid-epoch, go on, and end with the very bits of a run that was never stopped. */
import { assert, describe, it } from "vitest"
import type { StudyTable } from "../src/formats/study-table.ts"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()
/** As a user has it: as many threads as there are cores. */
const env = { OMP_NUM_THREADS: undefined, OPENBLAS_NUM_THREADS: undefined }

const tableOf = (stdout: string) => (JSON.parse(stdout) as { readonly table: StudyTable }).table.rows[0]!
/** Losses of every step, as logged: each once, whatever was stopped in between. */
const stepsOf = async (run: string) =>
  (await place.events(run)).filter((event) => event.type === "train.step").map(({ disc, gan, lpips, lr, rec, step, weight }) => ({ step, rec, lpips, gan, disc, weight, lr }))

const cases = [
  { name: "fp32", stop: 7, sets: [] },
  {
    name: "bf16, micro-batches, clipping, cosine schedule with warm-up", stop: 4,
    sets: ["training.precision=bf16", "training.batch_size=2", "training.global_batch_size=4", "training.clip_grad=1.0", "training.scheduler.type=cosine", "training.scheduler.warmup_epochs=0.5"]
  }
]

describe.each(cases)("$name", ({ sets, stop }) => {
  it(`--stop-after ${stop}, then resumed: equal to one uninterrupted run`, async () => {
    const words = sets.flatMap((set) => ["--set", set])
    const [whole, parts] = [`whole-${stop}`, `parts-${stop}`]
    const uninterrupted = await place.done(place.runWords(whole, ...words, "--json"), { env })

    const stopped = await place.done(place.runWords(parts, ...words, "--stop-after", String(stop)), { env })
    assert.match(stopped.stderr, new RegExp(`^stopped at ${stop}, not done$`, "m"))
    const early = await place.hashes(parts)
    // The overrides are taken from run.json.
    const resumed = await place.done(place.runWords(parts, "--json"), { env })
    assert.match(resumed.stderr, new RegExp(`resumed from step ${stop}`))

    const late = await place.hashes(parts)
    await place.assertSameState(parts, whole)
    assert.deepStrictEqual(tableOf(resumed.stdout), { ...tableOf(uninterrupted.stdout), variant: parts }, "means over the last epoch, steps and restarts")
    assert.deepStrictEqual(await stepsOf(parts), await stepsOf(whole))
    // Not equal because nothing was trained.
    assert.isBelow(late.filter((line) => early.includes(line)).length, late.length / 4)
  })
})
