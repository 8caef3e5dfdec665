/** `npm run parity -- --encoder DIR`: what it accepts, what it finds, and what it cannot compare. */
import { afterAll, assert, describe, it } from "vitest"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { compareEncoder, encoderBeyond, UnusableEncoder } from "../scripts/encoder-parity.ts"
import { InvalidWeights } from "../src/models/check-weights.ts"
import { TensorError } from "../src/tensor/errors.ts"

const golden = join(import.meta.dirname, "golden")
const root = mkdtempSync(join(tmpdir(), "rae-encoders-"))
afterAll(() => rmSync(root, { recursive: true }))
/** A copy of a golden directory with some of its files changed. */
const copy = (name: string, of: string, change: Readonly<Record<string, (bytes: Buffer) => Buffer | string>> = {}) => {
  const dir = join(root, name)
  mkdirSync(dir)
  for (const file of ["config.json", "model.safetensors", "golden.safetensors"]) {
    copyFileSync(join(golden, of, file), join(dir, file))
    const changed = change[file]?.(readFileSync(join(golden, of, file)))
    if (changed !== undefined) writeFileSync(join(dir, file), changed)
  }
  return dir
}

describe("encoder parity", () => {
  it.each(["dinov2", "mae", "siglip"])("%s is met at both sizes", (name) => {
    const compared = compareEncoder(join(golden, name))
    assert.lengthOf(compared, 2)
    for (const output of compared) {
      assert.isFalse(encoderBeyond(output))
      assert.isBelow(output.relative, 1e-6)
    }
  })

  it("a wrong epsilon or a wrong expected value is found", () => {
    const epsilon = (bytes: Buffer) => bytes.toString().replace(`"layer_norm_eps": 1e-06`, `"layer_norm_eps": 0.01`)
    assert.isTrue(compareEncoder(copy("epsilon", "dinov2", { "config.json": epsilon })).some(encoderBeyond))
    const altered = (bytes: Buffer) => {
      bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 1e-3, bytes.length - 4)
      return bytes
    }
    assert.lengthOf(compareEncoder(copy("altered", "siglip", { "golden.safetensors": altered })).filter(encoderBeyond), 1)
  })

  it("what cannot be compared is said", () => {
    assert.throws(() => compareEncoder(join(root, "nowhere")), UnusableEncoder, /no file .*nowhere\/config\.json/)
    assert.throws(() => compareEncoder(copy("bert", "mae", { "config.json": () => `{ "model_type": "bert" }` })), UnusableEncoder, /expected a `model_type` among/)
    assert.throws(() => compareEncoder(copy("wider", "mae", { "config.json": (bytes) => bytes.toString().replace(`"hidden_size": 48`, `"hidden_size": 60`) })), InvalidWeights, /wrong shape/)
    assert.throws(() => compareEncoder(copy("cut", "mae", { "model.safetensors": (bytes) => bytes.subarray(0, 5000) })), TensorError, /model\.safetensors/)
  })
})
