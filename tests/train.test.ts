/** The step over plain roles: equal gradients whatever the micro-batch, equal bits, nothing left behind. */
import { resolve } from "node:path"
import { assert, describe, it } from "vitest"
import { type GoldenRoles, goldenHyperparameters, goldenRoles, runGoldenStep } from "../scripts/golden-step.ts"
import { hashTensor, openSafetensors } from "../src/tensor/weights.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { drawsFor } from "../src/train/draws.ts"
import { type Schedule, constant, rateAt } from "../src/train/schedule.ts"

const path = resolve(import.meta.dirname, "golden/stage1_tiny.safetensors")

const withRoles = <A>(precision: "fp32" | "bf16", f: (roles: GoldenRoles, file: ReturnType<typeof openSafetensors>) => A): A => {
  using file = openSafetensors(path)
  const roles = goldenRoles(file, path, precision)
  try {
    return f(roles, file)
  } finally {
    for (const role of Object.values(roles)) role.dispose()
  }
}

const stateOf = (roles: GoldenRoles) => new Map([...roles.generator.state(), ...roles.ema.state(), ...roles.discriminator.state()])
const hashes = (roles: GoldenRoles) => Object.fromEntries(Array.from(stateOf(roles), ([name, tensor]) => [name, hashTensor(tensor)]))

describe("a training step", () => {
  it.for(["fp32", "bf16"] as const)("leaves no tensor behind in %s", (precision) => {
    const outside = live().count
    withRoles(precision, (roles, file) => {
      runGoldenStep(file, roles, 0)
      const before = live().count
      runGoldenStep(file, roles, 1)
      assert.strictEqual(live().count, before)
    })
    assert.strictEqual(live().count, outside)
  })

  it.for(["fp32", "bf16"] as const)("gives the same bits again from the same state in %s", (precision) => {
    const run = () => withRoles(precision, (roles, file) => {
      runGoldenStep(file, roles, 0)
      runGoldenStep(file, roles, 1)
      return hashes(roles)
    })
    assert.deepStrictEqual(run(), run())
  })

  it("gives the same bits after its state was taken out and put back", () => withRoles("bf16", (roles, file) => {
    const { generator, discriminator, ema } = roles
    runGoldenStep(file, roles, 0)
    const saved = scope(() => new Map(Array.from(stateOf(roles), ([name, tensor]) => [name, keep(T.clone(tensor))])))
    const counters = { ...generator.counters(), ...discriminator.counters() }
    assert.deepStrictEqual(counters, { "optimizer.decoder.step": 1, "optimizer.disc.step": 1 })
    const first = { result: runGoldenStep(file, roles, 1).losses, state: hashes(roles) }
    generator.load(saved, counters)
    discriminator.load(saved, counters)
    ema.load(saved)
    const second = { result: runGoldenStep(file, roles, 1).losses, state: hashes(roles) }
    assert.deepStrictEqual(second, first)
    assert.throws(() => generator.load(new Map(), counters), /no tensor named decoder\./)
    for (const tensor of saved.values()) tensor.dispose()
  }))

  it("has the gradients of the whole batch in micro-batches", () => {
    const run = (microBatch: number) => withRoles("fp32", (roles, file) => {
      const outputs = new Map<string, Tensor>()
      const result = runGoldenStep(file, roles, 0, { outputs, hyper: { ...goldenHyperparameters(file), microBatch } })
      return { result, outputs }
    })
    const [whole, parts] = [run(2), run(1)] as const
    const near = (a: number | null, b: number | null) => assert.closeTo(a! / b!, 1, 1e-4)
    near(parts.result.weight, whole.result.weight)
    for (const name of ["rec", "lpips", "gan", "disc"] as const) near(parts.result.losses[name], whole.result.losses[name])
    near(parts.result.gradNorm, whole.result.gradNorm)
    for (const [name, tensor] of whole.outputs) {
      const scale = name.startsWith("grad.") ? whole.result.gradNorm : scope(() => T.item(T.norm(tensor)))
      // 8-bit rounding of the fake images may fall otherwise in a value or two, and an activation on the other side of a kink moves
      // gradients by 3e-4; a weight of each micro-batch's own would be 5 % off
      const bound = name === "logits_fake" ? 5e-3 : name.startsWith("grad.") ? 1e-3 : 1e-4
      assert.isBelow(scope(() => T.item(T.norm(T.sub(tensor, parts.outputs.get(name)!)))) / scale, bound, name)
    }
    for (const { outputs } of [whole, parts]) for (const tensor of outputs.values()) tensor.dispose()
  })

  it("stops before it writes where a gradient is not finite", () => withRoles("fp32", (roles, file) => {
    const before = hashes(roles)
    const withHyper = (hyper: object) => runGoldenStep(file, roles, 0, { hyper: { ...goldenHyperparameters(file), ...hyper } })
    assert.strictEqual(withHyper({ perceptualWeight: Number.NaN }).nonFinite, "loss")
    // The loss is a number, the squares of its gradient are none in float32.
    assert.strictEqual(withHyper({ discWeight: 1e30 }).nonFinite, "generator")
    assert.deepStrictEqual(hashes(roles), before)
  }))

  it("does not depend on where its images lie in memory", () => {
    const run = (mapped: boolean) => withRoles("fp32", (roles, file) => {
      runGoldenStep(file, roles, 0, { mapped })
      return hashes(roles)
    })
    assert.deepStrictEqual(run(true), run(false))
  })
})

describe("draws", () => {
  const spec = { seed: 3, step: 5, tokens: 4, width: 6, noiseTau: 0.8, discUpdates: 2 }

  it("belong to their sample, whatever it is batched with", () => scope(() => {
    const all = drawsFor({ ...spec, samples: [0, 1, 2] })
    const one = drawsFor({ ...spec, samples: [1] })
    const same = (a: Tensor, b: Tensor, dim: number) => assert.strictEqual(T.maxAbs(T.sub(T.narrow(a, dim, 1, 1), b)), 0)
    same(all.noise!.normal, one.noise!.normal, 0)
    same(all.noise!.sigma, one.noise!.sigma, 0)
    same(all.augGenerator, one.augGenerator, 1)
    same(all.augFake[1]!, one.augFake[1]!, 1)
    assert.isAbove(T.maxAbs(T.sub(all.augFake[0]!, all.augFake[1]!)), 0)
    assert.isAbove(T.maxAbs(T.sub(all.augFake[0]!, all.augReal[0]!)), 0)
    assert.isTrue([...T.toFloat32(all.noise!.sigma)].every((sigma) => sigma >= 0 && sigma < 0.8))
    assert.isNull(drawsFor({ ...spec, noiseTau: 0, samples: [0] }).noise)
  }))
})

describe("schedules", () => {
  const at = (schedule: Partial<Schedule>, ...steps: ReadonlyArray<number>) =>
    steps.map((step) => Number(rateAt({ ...constant(1), ...schedule }, step).toFixed(6)))

  it("warm up, then stay, fall linearly or by a cosine", () => {
    assert.deepStrictEqual(at({}, 0, 10), [1, 1])
    assert.deepStrictEqual(at({ warmupSteps: 4 }, 0, 1, 3, 4), [0.25, 0.5, 1, 1])
    assert.deepStrictEqual(at({ warmupSteps: 4, warmupFromZero: false }, 0, 3), [1, 1])
    assert.deepStrictEqual(at({ kind: "linear", final: 0.2, warmupSteps: 2, decayEndSteps: 10 }, 2, 6, 10, 99), [1, 0.6, 0.2, 0.2])
    assert.deepStrictEqual(at({ kind: "cosine", final: 0, decayEndSteps: 4 }, 0, 1, 2, 4, 9), [1, 0.853553, 0.5, 0, 0])
  })
})
