/**
 * Everything, end to end, at tiny size: a study of two variants is trained by real processes, stopped, resumed, watched and finished, and
 * leaves a table, pictures and checkpoints, and nothing else.
 */
import { assert, it } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import type { StudyTable } from "../src/formats/study-table.ts"
import type { Status } from "../actors/status.ts"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()

it("trains, evaluates, checkpoints, stops, resumes, and ends in the table", async () => {
  const config = place.write("ablation.yaml", `extends: small.yaml
study:
  variants:
    with-gan: { gan.loss.disc_weight: 0.75 }
    without-gan: { gan.loss.disc_weight: 0.0 }
`)

  const stopped = await place.done(["run", config, "--stop-after", "5"])
  assert.match(stopped.stderr.split("\n")[0] ?? "", /study ablation .*1\/2 with-gan.*profile tiny.*cpu fp32.*drawn pictures \(12 images\)/)
  assert.match(stopped.stderr, /^stopped at 5, not done$/m)
  assert.match(stopped.stdout, /with-gan .* 5\/12 \*/)
  assert.strictEqual((await place.rae(["status", "ablation"])).code, 3)

  // Over the socket, from another process, while steps are computed.
  const running = place.start(["run", config, "--json"])
  await place.seen("ablation", "train.step", ({ step }) => step === 6)
  const status = await place.rae(["status", "ablation", "--json"])
  assert.strictEqual(status.code, 0, status.stderr)
  const live = JSON.parse(status.stdout) as Status
  assert.strictEqual(live.pid, running.pid)
  assert.includeMembers(live.actors.map(({ name }) => name),
    ["event_log", "checkpointer", "engine", "data_loader", "feature_cache", "evaluator", "generator", "discriminator", "ema", "trainer"])

  const ended = await running.ended
  assert.strictEqual(ended.code, 0, ended.stderr)
  assert.match(ended.stderr, /resumed from step 5/)
  const { table } = JSON.parse(ended.stdout) as { readonly table: StudyTable }
  assert.deepStrictEqual(table, place.readJson("runs/ablation/study.json"))
  assert.deepStrictEqual(table.rows.map(({ of, restarts, state, steps, variant }) => ({ variant, state, steps, of, restarts })), [
    { variant: "with-gan", state: "done", steps: 12, of: 12, restarts: 0 },
    { variant: "without-gan", state: "done", steps: 12, of: 12, restarts: 0 }
  ])
  const [withGan, withoutGan] = table.rows
  for (const loss of ["total", "rec", "lpips", "gan", "disc"] as const) assert.isTrue(Number.isFinite(withGan![loss]), `${loss}: ${withGan![loss]}`)
  assert.isTrue(Number.isFinite(withoutGan!.rec))
  assert.deepStrictEqual([withoutGan!.gan, withoutGan!.disc], [null, null])
  assert.match(readFileSync(join(place.runDir("ablation"), "study.md"), "utf8"), /^\| without-gan \|.*n\/a.*12/m)

  // Four originals above four reconstructions of 32 pixels.
  const picture = await sharp(join(place.runDir("ablation/with-gan"), "eval/step-000000012.png")).metadata()
  assert.isAtLeast(picture.width, 4 * 32)
  assert.isAtLeast(picture.height, 2 * 32)
  const evaluated = (await place.events("ablation")).filter((event) => event.type === "eval.finished")
  assert.deepStrictEqual(evaluated.map(({ images, run, step }) => ({ run, step, images })), [
    { run: "ablation/with-gan", step: 12, images: 4 }, { run: "ablation/without-gan", step: 12, images: 4 }
  ])
  for (const { lpips, psnr, ssim } of evaluated) assert.isTrue(psnr > 0 && psnr < 60 && ssim > -1 && ssim < 1 && lpips! > 0, `${psnr} ${ssim} ${lpips}`)

  assert.strictEqual((await place.rae(["status", "ablation"])).code, 3)
  const warnings = await place.done(["events", "ablation", "--level", "warn", "--json"])
  assert.strictEqual(warnings.stdout, "")
  const sequence = (await place.events("ablation")).map(({ seq }) => seq)
  assert.deepStrictEqual(sequence, sequence.map((_, i) => i + 1), "one log, without gap or repeat, over both commands")
  const shown = (await place.done(["ckpt", "show", "ablation/with-gan", "--hash"])).stdout.trimEnd().split("\n")
  assert.deepStrictEqual(shown, await place.hashes("ablation/with-gan"))
  for (const line of shown) assert.match(line, /^\S+ \S+ \[[\d,]*\] [\da-f]{32}$/)
  await place.assertLeftInOrder("ablation")

  // Done is done: nothing is trained again.
  const again = await place.done(["run", config])
  assert.match(again.stderr, /done already/)
  assert.lengthOf(await place.events("ablation"), sequence.length)
})
