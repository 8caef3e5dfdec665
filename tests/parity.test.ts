/** The project's step against golden values, as `npm run parity` compares them. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { type Changes, beyond, compareGolden } from "../scripts/golden-comparison.ts"
import type { GoldenRoles } from "../scripts/golden-step.ts"
import * as T from "../src/tensor/ops.ts"
import { scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import type { Roles } from "../src/train/direct.ts"
import { withoutGpu } from "./tensor-devices.ts"

const root = resolve(import.meta.dirname, "..")
const golden = join(root, "tests/golden/stage1_tiny.safetensors")
const folder = mkdtempSync(join(tmpdir(), "rae-parity-"))
afterAll(() => rmSync(folder, { recursive: true }))

const parity = (...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [join(root, "scripts/parity.ts"), ...args], { encoding: "utf8" })

/** The golden file with one float32 value of a tensor changed. */
const altered = (name: string, change: (value: number) => number): string => {
  const bytes = readFileSync(golden)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<string, { readonly data_offsets: readonly [number, number] }>
  const at = 8 + length + header[name]!.data_offsets[0]
  bytes.writeFloatLE(change(bytes.readFloatLE(at)), at)
  const file = join(folder, `${name}.safetensors`)
  writeFileSync(file, bytes)
  return file
}

/** Names of the outputs beyond tolerance. */
const missed = (changes: Changes = {}): ReadonlyArray<string> => compareGolden(golden, "fp32", changes).outputs.filter(beyond).map(({ name }) => name)

/** One weight of the discriminator stays where it was, as with a gradient of zero. */
const unmoved = (name: string) => (roles: GoldenRoles): Roles => ({
  ...roles,
  discriminator: {
    judge: (...args) => roles.discriminator.judge(...args),
    learn: (...args) => scope(() => {
      const weight = roles.discriminator.state().get(name)!
      const before = T.clone(weight)
      const lesson = roles.discriminator.learn(...args)
      T.copy_(weight, before)
      return lesson
    })
  }
})

/** Of a generator, some operations are others. */
const generatorWith = (replace: (generator: Roles["generator"]) => Partial<Roles["generator"]>) => (roles: GoldenRoles): Roles => {
  const { generator } = roles
  return {
    ...roles,
    generator: {
      forward: (...args) => generator.forward(...args),
      adaptiveWeight: (...args) => generator.adaptiveWeight(...args),
      backward: (...args) => generator.backward(...args),
      update: () => generator.update(),
      weights: () => generator.weights(),
      reconstruct: (...args) => generator.reconstruct(...args),
      ...replace(generator)
    }
  }
}

/** What `reconstruct` gives but for the rounding: the decoder without noise, on [-1,1]. */
const exactly = (generator: Roles["generator"], z: Tensor, microBatch: number): Tensor => scope(() => T.sub(T.mul(generator.forward(z, null, microBatch), 2), 1))

/** Faults that a run could have, and an output that must tell. */
const faults: ReadonlyArray<{ readonly fault: string; readonly changes: Changes; readonly tells: RegExp }> = [
  { fault: "a learning rate 1 % too high", changes: { settings: { lr: 2.02e-4 } }, tells: /^final\.decoder\.decoder_pred\.weight$/ },
  { fault: "β₂ of 0.999 for 0.95", changes: { settings: { betas: [0.9, 0.999] } }, tells: /^final\.decoder\.decoder_pred\.weight$/ },
  { fault: "an average that decays by 0.99 for 0.9978", changes: { settings: { emaDecay: 0.99 } }, tells: /^final\.ema\.decoder_pred\.weight$/ },
  { fault: "an LPIPS weight 0.5 % too high", changes: { hyper: { perceptualWeight: 1.005 } }, tells: /^step0\.grad\.decoder_pred\.weight$/ },
  { fault: "an adaptive weight 1 % too high", changes: { change: generatorWith((generator) => ({ adaptiveWeight: (...args) => generator.adaptiveWeight(...args) * 1.01 })) }, tells: /^step0\.adaptive_weight$/ },
  {
    fault: "fakes that are not rounded to 8 bits",
    changes: { change: generatorWith((generator) => ({ reconstruct: (z, microBatch) => exactly(generator, z, microBatch) })) },
    tells: /^step0\.logits_fake$/
  },
  { fault: "a dropped gradient of a head's norm bias", changes: { change: unmoved("disc.heads.1.0.1.bias") }, tells: /^final\.disc\.heads\.1\.0\.1\.bias$/ },
  { fault: "a dropped gradient of a head's last bias", changes: { change: unmoved("disc.heads.1.2.bias") }, tells: /^final\.disc\.heads\.1\.2\.bias$/ }
]

describe("golden step", () => {
  it("is met in float32 by every output, gradient and weight", () => {
    const { outputs, rounding } = compareGolden(golden, "fp32")
    assert.deepStrictEqual(outputs.filter(beyond), [])
    assert.isAbove(outputs.length, 150)
    for (const { ambiguous, moved } of rounding) {
      assert.isBelow(ambiguous, 100, "a few in a thousand of the values")
      assert.isBelow(moved, 10)
    }
  })

  it("is met in bf16 within what autocast differs by", () => {
    assert.deepStrictEqual(compareGolden(golden, "bf16").outputs.filter(beyond), [])
  })

  for (const precision of ["fp32", "bf16"] as const) {
    it.skipIf(withoutGpu !== "")(`is met on a GPU in ${precision}`, () => {
      assert.deepStrictEqual(compareGolden(golden, precision, {}, "cuda:0").outputs.filter(beyond), [])
    })
  }

  it.for(faults)("is not met with $fault", ({ changes, tells }) => {
    assert.isTrue(missed({ ...changes, nudges: [] }).some((name) => tells.test(name)))
  })

  it("is met by no change of the latents where the step is wrong", () => {
    assert.include(missed({ hyper: { perceptualWeight: 1.005 }, nudges: [1, -1] }), "step0.grad.decoder_pred.weight")
  })
})

describe("npm run parity", () => {
  it("fails, and says where, when an expected value is not met", () => {
    const { status, stdout } = parity(altered("step0.out.adaptive_weight", (value) => value * 1.01), "--json", "--precision", "bf16")
    assert.strictEqual(status, 0, "1 % is within bf16's tolerance")
    assert.isTrue((JSON.parse(stdout) as { ok: boolean }).ok)
    const wrong = parity(altered("step0.out.rec_loss", (value) => value * 1.1), "--json", "--precision", "bf16")
    assert.strictEqual(wrong.status, 1)
    const report = JSON.parse(wrong.stdout) as { files: ReadonlyArray<{ outputs: ReadonlyArray<{ name: string; ok: boolean }> }> }
    assert.deepStrictEqual(report.files[0]!.outputs.filter(({ ok }) => !ok).map(({ name }) => name), ["step0.rec_loss"])
  })

  it("tells a file that cannot be used by exit code 2", () => {
    const truncated = join(folder, "truncated.safetensors")
    writeFileSync(truncated, readFileSync(golden).subarray(0, 200_000))
    const cases = [
      { args: [], says: /no file given/ },
      { args: [join(folder, "absent.safetensors")], says: /absent\.safetensors.*(ENOENT|no such file)/i },
      { args: [truncated], says: /truncated\.safetensors/ },
      { args: [join(root, "tests/golden/dinov2/model.safetensors")], says: /metadata has no|steps/ },
      { args: [golden, "--precision", "fp8"], says: /unknown precision fp8/ }
    ]
    for (const { args, says } of cases) {
      const { status, stderr } = parity(...args)
      assert.strictEqual(status, 2, args.join(" "))
      assert.match(stderr, says)
      assert.notMatch(stderr, /\n\s+at /, "no stack trace")
    }
  })
})
