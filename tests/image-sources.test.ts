/** Loading again, as after a damaged checkpoint, starts no second set of image processes. */
import { assert, it, vi } from "vitest"
import * as Effect from "effect/Effect"
import type * as ChildProcess from "node:child_process"
import { join } from "node:path"
import { openSources } from "../actors/image-sources.ts"
import { loadStudy } from "../src/config/load.ts"

const started = vi.hoisted(() => ({ processes: 0 }))
vi.mock("node:child_process", async (original) => {
  const real = await original<typeof ChildProcess>()
  return {
    ...real,
    fork: (...args: Parameters<typeof real.fork>) => {
      started.processes++
      return real.fork(...args)
    }
  }
})

it("one pool for all loads of a process", async () => {
  const { variants: [variant] } = await Effect.runPromise(loadStudy(join(import.meta.dirname, "../configs/base.yaml"), { profile: "tiny", sets: ["training.num_workers=1"] }))
  const open = () => openSources({ _tag: "Synthetic", images: 8, held_out: 2 }, null, variant!.config)
  const { training } = await open()
  const { training: again } = await open()
  assert.deepStrictEqual(await again.train(0, 3, 16), await training.train(0, 3, 16))
  assert.strictEqual(started.processes, 1)
})
