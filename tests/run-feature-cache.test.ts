/** Latents kept on disk: later variants encode nothing, and neither a cached run nor one with a damaged cache differs by a bit. */
import { assert, beforeAll, it } from "vitest"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeWorkplace } from "./rae-processes.ts"

const place = makeWorkplace()
const rate = (value: string) => ["--set", `training.optimizer.lr=${value}`]

const usage = async (name: string, run = name) => {
  const used = (await place.events(name)).filter((event) => event.type === "feature_cache.used").find((event) => event.run === run)
  assert.isDefined(used, `feature_cache.used of ${run}`)
  return used!
}
const entries = () => {
  const dir = join(place.root, "cache/rae/features")
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== "lock").map((entry) => join(entry.parentPath, entry.name))
}

beforeAll(async () => {
  const config = place.write("rates.yaml", "extends: small.yaml\nstudy: { variants: { slow: { training.optimizer.lr: 1.0e-4 }, fast: { training.optimizer.lr: 4.0e-4 } } }\n")
  await place.done(["run", config])
})

it("the first variant of a study encodes each batch once, the second nothing", async () => {
  const first = await usage("rates", "rates/slow")
  assert.deepStrictEqual({ enabled: first.enabled, encoded: first.encoded }, { enabled: true, encoded: 24 })
  assert.isAbove(first.bytes, 0)
  const second = await usage("rates", "rates/fast")
  assert.deepStrictEqual({ encoded: second.encoded, misses: second.misses, hits: second.hits }, { encoded: 0, misses: 0, hits: 24 })
})

it("a run from the cache equals one without it", async () => {
  await place.done(place.runWords("uncached", ...rate("4.0e-4"), "--set", "feature_cache.mode=off"))
  assert.strictEqual((await usage("uncached")).enabled, false)
  await place.assertSameState("uncached", "rates/fast")
})

it("damaged entries are encoded again; equal", async () => {
  const files = entries()
  assert.isAtLeast(files.length, 1)
  // The last byte of every file: of the features, or of their checksum.
  for (const file of files) {
    const bytes = readFileSync(file)
    bytes[bytes.length - 1]! ^= 0x10
    writeFileSync(file, bytes)
  }
  await place.done(place.runWords("damaged", ...rate("4.0e-4"), "--set", "feature_cache.mode=on"))
  const used = await usage("damaged")
  assert.isAbove(used.dropped, 0)
  assert.isAbove(used.encoded, 0)
  assert.isTrue((await place.events("damaged")).some(({ type }) => type === "feature_cache.failed"))
  await place.assertSameState("damaged", "rates/fast")
})
