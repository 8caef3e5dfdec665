import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { open } from "../src/checkpoint/store.ts"
import { verifyDirectory } from "../src/checkpoint/verify.ts"
import { save, temporaryDirectory } from "./checkpoint-fake-engine.ts"

const trials = Number(process.env["RAE_DAMAGE_TRIALS"] ?? 400)

describe("a damaged checkpoint", () => {
  it.live(`is never accepted: ${trials} random bit flips, truncations, swaps and zeroed pieces over all files`, () =>
    Effect.acquireUseRelease(Effect.sync(temporaryDirectory), Effect.fnUntraced(function*({ path }) {
      const store = yield* open({ directory: path, retention: { keep_last: 3, keep_every: null } })
      const committed = yield* save(store, 5)
      const files = readdirSync(committed.path).sort()
      const good = new Map(files.map((name) => [name, readFileSync(join(committed.path, name))]))
      assert.strictEqual(files.length, 5)
      let seed = 20_260_101
      const random = (n: number) => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % n
      const damage = [
        (bytes: Buffer) => { bytes[random(bytes.length)]! ^= 1 << random(8); return bytes },
        (bytes: Buffer) => bytes.subarray(0, random(bytes.length)),
        (bytes: Buffer) => { const at = random(bytes.length); return bytes.fill(bytes[at] === 0 ? 1 : 0, at, Math.min(bytes.length, at + 1 + random(512))) },
        (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1 + random(100))]),
        (bytes: Buffer) => { const at = random(bytes.length - 1); [bytes[at], bytes[at + 1]] = [bytes[at + 1]!, bytes[at]!]; return bytes }
      ]
      const accepted: Array<string> = []
      let changed = 0
      for (let trial = 0; trial < trials; trial++) {
        const name = files[trial % files.length]!
        const kind = random(damage.length)
        const bytes = damage[kind]!(Buffer.from(good.get(name)!))
        if (bytes.equals(good.get(name)!)) continue // two equal bytes were swapped
        changed++
        writeFileSync(join(committed.path, name), bytes)
        const { ok, problems } = yield* Effect.promise(() => verifyDirectory(committed.path, "full"))
        if (ok || problems.length === 0) accepted.push(`${name}, kind ${kind}, trial ${trial}`)
        writeFileSync(join(committed.path, name), good.get(name)!)
      }
      assert.isAbove(changed, trials * 0.9)
      assert.deepStrictEqual(accepted, [])
      assert.isTrue((yield* store.verify(5)).ok)
    }), (dir) => Effect.sync(() => dir[Symbol.dispose]())), 60_000 + trials * 50)
})
