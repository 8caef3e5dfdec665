/** `rae ckpt`: what the checkpoints of a run are, and that damage is found and told. */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { tell } from "../src/cli/errors.ts"
import { fallbackPlace } from "../src/checkpoint/layout.ts"
import { open } from "../src/checkpoint/store.ts"
import { save, temporaryDirectory } from "./checkpoint-fake-engine.ts"
import { say } from "./cli-collecting-terminal.ts"

const place = temporaryDirectory()
const runs = place.path
const ckpt = (...words: ReadonlyArray<string>) => say(["ckpt", ...words, "--runs-dir", runs])

beforeAll(async () => {
  const store = (run: string) => open({ directory: join(runs, run, "checkpoints"), retention: { keep_last: 10, keep_every: null } })
  await Effect.runPromise(Effect.gen(function*() {
    for (const step of [400, 450]) yield* save(yield* store("photos"), step)
    yield* save(yield* store("again"), 450)
    yield* save(yield* store("damaged"), 1)
  }))
  for (const run of ["photos", "again", "damaged"]) writeFileSync(join(runs, run, "run.json"), JSON.stringify({ schema: 1, name: run, kind: "run", state: "stopped" }))
  const file = join(runs, "damaged", "checkpoints", "step-000000001", "ema.safetensors")
  const bytes = readFileSync(file)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  writeFileSync(file, bytes)
})
afterAll(() => place[Symbol.dispose]())

describe("rae ckpt", () => {
  it("show --hash: one line a tensor of the newest checkpoint, equal for equal weights", async () => {
    const { code, out } = await ckpt("show", "photos", "--hash")
    assert.strictEqual(code, 0)
    assert.isAbove(out.length, 1)
    for (const line of out) assert.match(line, /^[\w.]+ \w+ \[[\d,]*\] [0-9a-f]{32}$/)
    assert.deepStrictEqual((await ckpt("show", "again", "--hash")).out, out)
    assert.deepStrictEqual((await ckpt("show", join(runs, "photos"), "--hash")).out, out)
  })

  it("show: step, files and where it came from", async () => {
    const { out } = await ckpt("show", "photos")
    assert.include(out.join("\n"), "step          450")
    assert.match(out.join("\n"), /decoder\.safetensors +[\d.]+ k?B +[0-9a-f]{32}/)
  })

  it("ls: oldest first", async () => {
    const { out } = await ckpt("ls", "photos", "--json")
    const { checkpoints, schema } = JSON.parse(out.join("\n")) as { schema: number; checkpoints: ReadonlyArray<{ step: number }> }
    assert.deepStrictEqual([schema, checkpoints.map(({ step }) => step)], [1, [400, 450]])
    assert.lengthOf((await ckpt("ls", "photos")).out, 3)
  })

  it("verify: exit 1 on damage, with what and where", async () => {
    const good = await ckpt("verify", "photos")
    assert.deepStrictEqual([good.code, good.err], [0, ["2 checked, 0 damaged"]])
    const bad = await ckpt("verify", "damaged")
    assert.strictEqual(bad.code, 1)
    assert.match(bad.out.join("\n"), /^damaged .*step-000000001\n +ema\.safetensors: hash differs, expected/)
  })

  it("does not show what is damaged", async () => {
    const error = await ckpt("show", "damaged", "--hash").then(() => null, (error: unknown) => error)
    const { exitCode, message, typed } = tell(error)
    assert.deepStrictEqual([exitCode, typed], [1, true])
    assert.include(message, "ema.safetensors")
  })

  it("prune: of both directories, what it said it would", async () => {
    const dir = join(runs, "spilled")
    const second = fallbackPlace(join(runs, "second"), dir)
    const store = (directory: string) => open({ directory, retention: { keep_last: 10, keep_every: null } })
    await Effect.runPromise(Effect.gen(function*() {
      for (const step of [1, 2, 6]) yield* save(yield* store(join(dir, "checkpoints")), step)
      for (const step of [3, 4, 5]) yield* save(yield* store(second), step)
    }))
    const config = { checkpoint: { keep_last: 2, keep_every: 0, fallback_dir: join(runs, "second") } }
    writeFileSync(join(dir, "run.json"), JSON.stringify({ schema: 1, name: "spilled", kind: "run", state: "stopped", config }))
    const steps = async (...words: ReadonlyArray<string>) => (JSON.parse((await ckpt("prune", "spilled", "--json", ...words)).out.join("")) as { readonly steps: ReadonlyArray<number> }).steps.toSorted((a, b) => a - b)
    assert.deepStrictEqual([await steps(), await steps("--yes"), await steps()], [[1, 3], [1, 3], []])
    assert.isFalse(existsSync(join(second, "step-000000003")))
  })

  it("export: leaves what lies beside its target, and nothing of its own there", async () => {
    const folder = join(runs, "exported")
    mkdirSync(join(folder, "decoder.safetensors.new"), { recursive: true })
    const { code } = await ckpt("export", "photos", "-o", join(folder, "decoder.safetensors"))
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(readdirSync(folder).sort(), ["decoder.safetensors", "decoder.safetensors.new"])
  })

  it("no such run: exit 4", async () => {
    assert.strictEqual(tell(await ckpt("show", "zebra").catch((error: unknown) => error)).exitCode, 4)
  })
})
