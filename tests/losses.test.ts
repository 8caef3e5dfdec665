/** Losses against hand computation, their gradients against differences. */
import { assert, describe, it } from "vitest"
import { discriminatorLosses, generatorLosses } from "../src/losses/adversarial.ts"
import { judgeReconstruction } from "../src/losses/reconstruction.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { randomWeights } from "../src/models/random-weights.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"

const row = (...values: ReadonlyArray<number>) => T.fromFloat32(Float32Array.from(values), [1, values.length])

describe("adversarial losses", () => {
  it("are as defined", () => scope(() => {
    const [real, fake] = [row(2, 0.5, -1), row(-2, 0.25, 1)] as const
    assert.closeTo(T.item(discriminatorLosses.hinge(real, fake)), 0.5 * ((0 + 0.5 + 2) / 3 + (0 + 1.25 + 2) / 3), 1e-6)
    const softplus = (x: number) => Math.log1p(Math.exp(x))
    const expected = 0.5 * ((softplus(-2) + softplus(-0.5) + softplus(1)) / 3 + (softplus(-2) + softplus(0.25) + softplus(1)) / 3)
    assert.closeTo(T.item(discriminatorLosses.vanilla(real, fake)), expected, 1e-6)
    assert.closeTo(T.item(generatorLosses.vanilla(fake)), 0.25, 1e-6)
  }))
})

describe("reconstruction", () => {
  // wide enough that no place is dead in every channel: the distance is not smooth there
  const spec = lpipsSpec({ widths: [24, 24, 24, 24, 24] })

  it("has the gradient that differences show, whatever the micro-batch", () => {
    const before = live().count
    scope(() => {
      const vgg = randomWeights(spec, 0)
      const images = T.randomUniform([1, 2, 3, 4], [3, 3, 32, 32])
      const recon = T.randomUniform([1, 2, 3, 5], [3, 3, 32, 32])
      const lambda = 3
      const whole = judgeReconstruction(vgg, recon, images, lambda, 3)
      const loss = (x: typeof recon) => {
        const { rec, lpips } = judgeReconstruction(vgg, x, images, lambda, 3)
        return rec + lambda * lpips!
      }
      // along the gradient, where the difference stands out of float32's rounding
      const direction = T.mul(T.div(whole.gradient, T.norm(whole.gradient)), 0.004)
      const difference = (loss(T.add(recon, direction)) - loss(T.sub(recon, direction))) / 2
      assert.closeTo(T.item(T.sum(T.mul(whole.gradient, direction))) / difference, 1, 0.03)
      const parts = judgeReconstruction(vgg, recon, images, lambda, 2)
      assert.closeTo(parts.rec, whole.rec, 1e-6)
      assert.closeTo(parts.lpips!, whole.lpips!, 1e-6)
      assert.isBelow(T.maxAbs(T.sub(parts.gradient, whole.gradient)), 1e-6 * T.maxAbs(whole.gradient) + 1e-8)
    })
    assert.strictEqual(live().count, before)
  })

  it("leaves LPIPS out where its weight is 0", () => scope(() => {
    const { lpips, gradient } = judgeReconstruction(new Map(), T.full([1, 3, 4, 4], 0.5), T.full([1, 3, 4, 4], 0.25), 0, 1)
    assert.isNull(lpips)
    assert.closeTo(T.maxAbs(gradient), 1 / 48, 1e-9)
  }))
})
