/** scripts/demo-disk-full, shortened: two variants of twelve steps. Training waits for each save, so that the disk is full when one is due. */
import { assert, it } from "vitest"
import { spawnSync } from "node:child_process"
import { resolve } from "node:path"
import { makeWorkplace, smallConfig } from "../rae-processes.ts"

const place = makeWorkplace()

it("a study whose disk fills during its last variant ends with the table and the hashes of an undisturbed one", (context) => {
  const config = place.write("study.yaml", `${smallConfig}study: { variants: { a: { gan.loss.perceptual_weight: 0.5 }, b: { gan.loss.perceptual_weight: 1.0 } } }\n`)
  const words = ["--unsaved", "3", "--set", "checkpoint.max_unsaved_steps=3"]
  const { status, stdout, stderr } = spawnSync(resolve(import.meta.dirname, "../../scripts/demo-disk-full"), [config, ...words], {
    encoding: "utf8", timeout: 250_000,
    // The first save of the second variant is held until the disk is surely full.
    env: { ...process.env, TMPDIR: place.root, XDG_CACHE_HOME: `${place.root}/cache`, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", RAE_FAILPOINT: "write.before@5:delay:3000" }
  })
  if (status === 2) {
    console.log(stderr.trim())
    return context.skip(stderr.trim())
  }
  assert.strictEqual(status, 0, `${stdout}\n${stderr}`)
  assert.match(stdout, /disk filled: \d+ bytes free\n.*refused: needs .*free/)
  assert.match(stdout, /\d older checkpoints verify[^]*saved again: step \d+[^]*equal: the same table, the same hash of each of \d+ tensors/)
})
