/** Fréchet distance and the moments that it is of: against golden values, normal distributions worked out on paper, and few samples. */
import { assert, describe, it } from "vitest"
import { join } from "node:path"
import { covarianceOf, FeatureMoments, InvalidMoments, type Moments, momentsOf } from "../src/eval/feature-moments.ts"
import { frechetDistance } from "../src/eval/frechet-distance.ts"
import * as T from "../src/tensor/ops.ts"
import { live, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { openSafetensors } from "../src/tensor/weights.ts"

const golden = openSafetensors(join(import.meta.dirname, "golden/metrics.safetensors"))
const number = (name: string) => T.toFloat64(golden.read(name))[0]!

/** Of the first 30 rows of both, by mpmath with 60 digits. */
const first30 = 10.18418377149286

const gather = (features: Tensor, batch: number): Moments => {
  const gathered = new FeatureMoments(features.shape[1]!)
  for (let from = 0; from < features.shape[0]!; from += batch) gathered.add(T.narrow(features, 0, from, Math.min(batch, features.shape[0]! - from)))
  const moments = gathered.moments()
  gathered.dispose()
  return moments
}
const close = (got: number, want: number, relative: number) => assert.closeTo(got, want, relative * Math.abs(want), `${got} for ${want}`)

/** ± each axis by its length, around a centre: 2k samples with mean `centre` and variances 2 length² / (2k - 1) along k axes of D. */
const crosses = (lengths: ReadonlyArray<number>, centre: ReadonlyArray<number>) => {
  const rows = lengths.flatMap((length, axis) => [1, -1].map((sign) => centre.map((at, d) => at + (d === axis ? sign * length : 0))))
  return T.fromFloat64(Float64Array.from(rows.flat()), [rows.length, centre.length])
}

describe("Fréchet distance", () => {
  it("equals the golden values, also of fewer samples than features, however they are batched", () => {
    const before = live().count
    scope(() => {
      const [a, b] = [golden.read("features_a"), golden.read("features_b")]
      for (const batch of [400, 7, 1]) close(frechetDistance(gather(a, batch), gather(b, batch)), number("fid"), 1e-12)
      const first = (t: Tensor) => T.narrow(t, 0, 0, 30)
      for (const batch of [30, 4]) close(frechetDistance(gather(first(a), batch), gather(first(b), batch)), first30, 1e-13)
      // by eigenvalues of the covariances' product, in double: what is zero in it is not quite
      close(number("fid_first30"), first30, 1e-6)
    })
    assert.strictEqual(live().count, before, "no tensor is left behind")
  })

  it("of a set to itself is zero, in any order, and is symmetric", () => scope(() => {
    const [a, b] = [golden.read("features_a"), golden.read("features_b")]
    const reversed = T.indexSelect(a, 0, T.fromInt64(Array.from({ length: 400 }, (_, i) => 399 - i), [400]))
    const size = T.item(T.sum(T.square(gather(a, 400).factor)))
    assert.isBelow(frechetDistance(gather(a, 50), gather(reversed, 33)), 1e-12 * size)
    close(frechetDistance(gather(a, 50), gather(b, 50)), frechetDistance(gather(b, 50), gather(a, 50)), 1e-12)
  }))

  it("of normal distributions is what it is on paper", () => scope(() => {
    const diagonal = (mean: ReadonlyArray<number>, variances: ReadonlyArray<number>) =>
      momentsOf(Float64Array.from(mean), Float64Array.from(variances.flatMap((variance, i) => variances.map((_, j) => (i === j ? variance : 0)))))
    // |m - n|² + Σ (σ - τ)²
    close(frechetDistance(diagonal([0, 0, 1], [1, 4, 9]), diagonal([3, 0, 1], [4, 4, 0])), 9 + 1 + 0 + 9, 1e-12)
    // of covariances that do not commute: 2 × 2 has tr √(S T) = √(tr S T + 2 √(det S det T))
    const [s, t] = [[2, 1, 1, 3], [5, -2, -2, 1]]
    const trace = s[0]! * t[0]! + 2 * s[1]! * t[1]! + s[3]! * t[3]!
    const root = Math.sqrt(trace + 2 * Math.sqrt((2 * 3 - 1) * (5 * 1 - 4)))
    close(frechetDistance(momentsOf(Float64Array.of(0, 0), Float64Array.from(s)), momentsOf(Float64Array.of(1, 2), Float64Array.from(t))), 5 + 5 + 6 - 2 * root, 1e-12)
  }))

  it("of four samples of twelve features is exact, where variances are 10¹² apart", () => scope(() => {
    const centre = Array.from({ length: 12 }, (_, d) => d / 3)
    const [a, b] = [[1e3, 1e-3], [2e3, 5e-3]] as const
    const deviation = (length: number) => length * Math.sqrt(2 / 3)
    // a shift along an axis that neither varies on
    const shifted = centre.map((at, d) => at + (d === 11 ? 1e-2 : 0))
    const got = frechetDistance(gather(crosses(a, centre), 2), gather(crosses(b, shifted), 3))
    close(got, 1e-4 + (deviation(1e3) - deviation(2e3)) ** 2 + (deviation(1e-3) - deviation(5e-3)) ** 2, 1e-13)
    const small = frechetDistance(gather(crosses([1e3, 1e-3], centre), 2), gather(crosses([1e3, 5e-3], centre), 2))
    // 1e-5 beside traces of 10⁶: what double has left of it
    assert.closeTo(small, (deviation(1e-3) - deviation(5e-3)) ** 2, 1e-9)
  }))
})

describe("moments of features", () => {
  it("are numpy's mean and covariance, whether the factor was shortened or not", () => scope(() => {
    const features = golden.read("features_a")
    for (const rows of [30, 400]) {
      const some = T.narrow(features, 0, 0, rows)
      const { count, factor, mean } = gather(some, 16)
      assert.strictEqual(count, rows)
      assert.isAtMost(factor.shape[0]!, 2 * 48)
      const centred = T.sub(some, T.mean(some, [0]))
      const expected = T.div(T.matmul(T.transpose(centred, 0, 1), centred), rows - 1)
      assert.isBelow(T.maxAbs(T.sub(mean, T.mean(some, [0]))), 1e-13)
      assert.isBelow(T.maxAbs(T.sub(covarianceOf({ count, factor, mean }), expected)), 1e-13 * T.maxAbs(expected))
    }
  }))

  it("of a file that are none are refused", () => scope(() => {
    const mean = Float64Array.of(0, 0)
    const problem = (...sigma: ReadonlyArray<number>) => {
      try {
        momentsOf(mean, Float64Array.from(sigma))
      } catch (error) {
        if (error instanceof InvalidMoments) return error.message
        throw error
      }
      return "accepted"
    }
    assert.match(problem(1, 0.5, 0.4, 1), /sigma and its transpose differ by 0\.100/)
    assert.match(problem(1, 2, 2, 1), /no negative variance; sigma has -1\.00 beside 3\.00/)
    assert.match(problem(1, 0, 0, NaN), /not finite/)
    assert.strictEqual(problem(0, 0, 0, 0), "accepted")
    // a variance that rounding made a little negative
    assert.strictEqual(problem(1, 1, 1, 1 - 1e-9), "accepted")
    const one = new FeatureMoments(2)
    one.add(T.full([1, 2], 1))
    assert.throws(() => one.moments(), InvalidMoments, /1 samples, expected at least 2/)
    one.dispose()
  }))
})
