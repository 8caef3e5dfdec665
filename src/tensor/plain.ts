/** Plain twins of kernels.ts: the same in operations. Slow and easy to check; the tests hold the kernels to them. */
import type { AdamWOptions } from "./kernels.ts"
import * as T from "./ops.ts"
import { scope } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

const float = (t: Tensor) => T.to(t, { dtype: "float32" })
const each = (ts: readonly Tensor[], f: (t: Tensor, i: number) => void): void => ts.forEach((t, i) => scope(() => f(t, i)))
const at = (ts: readonly Tensor[], i: number): Tensor => {
  const t = ts[i]
  if (t === undefined) throw new RangeError(`tensor ${i} of ${ts.length}`)
  return t
}

export const adamw = (
  params: readonly Tensor[], grads: readonly Tensor[], m: readonly Tensor[], v: readonly Tensor[], working: ReadonlyArray<Tensor | null> | null, o: AdamWOptions
): void =>
  each(params, (p, i) => {
    const g = T.mul(float(at(grads, i)), o.gradScale)
    T.mul_(p, 1 - o.lr * o.weightDecay)
    T.mul_(at(m, i), o.beta1)
    T.add_(at(m, i), g, 1 - o.beta1)
    T.mul_(at(v, i), o.beta2)
    T.add_(at(v, i), T.square(g), 1 - o.beta2)
    const scale = T.add(T.sqrt(T.div(at(v, i), 1 - o.beta2 ** o.step)), o.eps)
    T.add_(p, T.div(at(m, i), scale), -o.lr / (1 - o.beta1 ** o.step))
    const copy = working?.[i]
    if (copy !== undefined && copy !== null) T.copy_(copy, p)
  })

export const ema = (averages: readonly Tensor[], values: readonly Tensor[], decay: number): void =>
  each(averages, (a, i) => {
    T.mul_(a, decay)
    T.add_(a, float(at(values, i)), 1 - decay)
  })

export const accumulate = (sums: readonly Tensor[], values: readonly Tensor[]): void => each(sums, (s, i) => T.add_(s, float(at(values, i))))

export const gradStats = (grads: readonly Tensor[]): { readonly sumSquares: number; readonly finite: boolean } => {
  let sumSquares = 0
  for (const g of grads) sumSquares += scope(() => T.item(T.sum(T.square(T.to(g, { dtype: "float64" })))))
  return { sumSquares, finite: Number.isFinite(sumSquares) }
}

export const diffaug = (x: Tensor, draws: Tensor): Tensor =>
  scope(() => {
    const [batch = 0, , height = 0, width = 0] = x.shape
    const r = T.toFloat32(draws)
    const most = (side: number) => Math.round(side * 0.125)
    // the translation is rounded in float32, as the draw is
    const shift = (draw: number, side: number) => Math.floor(Math.fround(draw * (2 * most(side) + 1))) - most(side)
    const moved = Array.from({ length: batch }, (_, b) => {
      const down = shift(r[b] ?? 0, height), right = shift(r[batch + b] ?? 0, width)
      const padded = T.pad(T.narrow(x, 0, b, 1), [most(width), most(width), most(height), most(height)])
      return T.narrow(T.narrow(padded, 2, most(height) + down, height), 3, most(width) + right, width)
    })
    const draw = (row: number) => T.unsqueeze(T.select(draws, 0, row), 3)
    const bright = T.add(T.cat(moved, 0), T.sub(draw(2), 0.5))
    const grey = T.mean(bright, [1], true)
    const saturated = T.add(T.mul(T.sub(bright, grey), T.mul(draw(3), 2)), grey)
    const level = T.mean(saturated, [1, 2, 3], true)
    return T.add(T.mul(T.sub(saturated, level), T.add(draw(4), 0.5)), level)
  })

export const lpipsDistance = (a: Tensor, b: Tensor, weight: Tensor): Tensor =>
  scope(() => {
    const unit = (f: Tensor) => T.div(f, T.add(T.sqrt(T.sum(T.square(f), [1], true)), 1e-10))
    const difference = T.square(T.sub(unit(float(a)), unit(float(b))))
    return T.mean(T.sum(T.mul(difference, T.reshape(weight, [1, -1, 1, 1])), [1]), [1, 2])
  })

export const quantize8 = (x: Tensor): Tensor => scope(() => T.sub(T.div(T.round(T.mul(T.add(T.clamp(x, -1, 1), 1), 127.5)), 127.5), 1))
