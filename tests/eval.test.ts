/** PSNR and SSIM against the values of torchmetrics, LPIPS and the picture by their properties. */
import { assert, describe, it } from "vitest"
import { join } from "node:path"
import { lpips } from "../src/eval/lpips.ts"
import { picture } from "../src/eval/picture.ts"
import { psnr } from "../src/eval/psnr.ts"
import { ssim } from "../src/eval/ssim.ts"
import { lpipsSpec } from "../src/models/lpips.ts"
import { randomWeights } from "../src/models/random-weights.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import { openSafetensors } from "../src/tensor/weights.ts"

const golden = openSafetensors(join(import.meta.dirname, "golden/metrics.safetensors"))
const images = (name: string) => T.div(T.to(golden.read(name), { dtype: "float32" }), 255)
const expected = (name: string) => Array.from(scope(() => T.toFloat32(T.to(golden.read(name), { dtype: "float32" }))))
const close = (got: ReadonlyArray<number>, want: ReadonlyArray<number>, tolerance: number) => {
  assert.strictEqual(got.length, want.length)
  for (const [i, value] of got.entries()) assert.closeTo(value, want[i]!, tolerance)
}

describe("metrics", () => {
  it("PSNR and SSIM equal the golden values", () => {
    const before = live().count
    scope(() => {
      close(psnr(images("distorted"), images("images")), expected("psnr"), 1e-3)
      close(ssim(images("distorted"), images("images")), expected("ssim"), 1e-4)
    })
    assert.strictEqual(live().count, before, "no tensor is left behind")
  })

  it("equal images have PSNR 100 dB, SSIM 1 and LPIPS 0", () => scope(() => {
    const x = T.narrow(images("images"), 0, 0, 2)
    const weights = randomWeights(lpipsSpec({ widths: [4, 4, 4, 4, 4] }), 0)
    close(psnr(x, x), [100, 100], 1e-6)
    close(ssim(x, x), [1, 1], 1e-6)
    close(lpips(weights, x, x), [0, 0], 1e-12)
  }))

  it("LPIPS is of each image by itself", () => scope(() => {
    const weights = randomWeights(lpipsSpec({ widths: [4, 4, 4, 4, 4] }), 0)
    const [a, b] = [T.narrow(images("images"), 0, 0, 2), T.narrow(images("distorted"), 0, 0, 2)]
    const [first, second] = lpips(weights, a, b)
    assert.notStrictEqual(first, second)
    close(lpips(weights, T.narrow(a, 0, 1, 1), T.narrow(b, 0, 1, 1)), [second!], 1e-7)
  }))

  it("the picture has originals above and reconstructions below", () => scope(() => {
    const { height, rgb, width } = picture(T.full([3, 3, 8, 8], 0), T.full([3, 3, 8, 8], 0.5))
    assert.deepStrictEqual([width, height, rgb.length], [28, 18, 28 * 18 * 3])
    const at = (x: number, y: number) => rgb[(y * width + x) * 3]
    assert.deepStrictEqual([at(0, 0), at(8, 0), at(10, 7), at(0, 8), at(0, 10), at(27, 17)], [0, 255, 0, 255, 128, 128])
  }))
})
