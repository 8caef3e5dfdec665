/** The project's step against golden values, as `npm run parity` compares them. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { beyond, compareGolden } from "../scripts/golden-comparison.ts"

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

describe("golden step", () => {
  it("is met in float32 by every output, gradient and weight", () => {
    const comparisons = compareGolden(golden, "fp32")
    assert.deepStrictEqual(comparisons.filter(beyond), [])
    assert.isAbove(comparisons.length, 150)
  })

  it("is met in bf16 within what autocast differs by", () => {
    assert.deepStrictEqual(compareGolden(golden, "bf16").filter(beyond), [])
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
