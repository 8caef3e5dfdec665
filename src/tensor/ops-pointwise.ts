/** Element by element: arithmetic with broadcasting, comparison, activations. A plain number stands for a tensor where it makes sense. */
import { native } from "./native.ts"
import { made } from "./scope.ts"
import type { Tensor } from "./tensor.ts"

export const add = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.addScalar(a.handle, b) : native.add(a.handle, b.handle))
export const sub = (a: Tensor | number, b: Tensor | number): Tensor => {
  if (typeof b === "number") return typeof a === "number" ? bothNumbers() : made(native.subScalar(a.handle, b))
  return made(typeof a === "number" ? native.scalarSub(b.handle, a) : native.sub(a.handle, b.handle))
}
export const mul = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.mulScalar(a.handle, b) : native.mul(a.handle, b.handle))
export const div = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.divScalar(a.handle, b) : native.div(a.handle, b.handle))
export const pow = (t: Tensor, exponent: number): Tensor => made(native.powScalar(t.handle, exponent))
export const neg = (t: Tensor): Tensor => made(native.neg(t.handle))
export const sqrt = (t: Tensor): Tensor => made(native.sqrt(t.handle))
export const exp = (t: Tensor): Tensor => made(native.exp(t.handle))
export const log = (t: Tensor): Tensor => made(native.log(t.handle))
export const abs = (t: Tensor): Tensor => made(native.abs(t.handle))
export const square = (t: Tensor): Tensor => made(native.square(t.handle))
export const clamp = (t: Tensor, min: number | null, max: number | null): Tensor => made(native.clamp(t.handle, min, max))
/** To the nearest whole number, halves to the even one. */
export const round = (t: Tensor): Tensor => made(native.round(t.handle))
export const floor = (t: Tensor): Tensor => made(native.floor(t.handle))
export const maximum = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.clamp(a.handle, b, null) : native.maximum(a.handle, b.handle))
export const minimum = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.clamp(a.handle, null, b) : native.minimum(a.handle, b.handle))
/** `a` where the bool tensor `condition` is true, else `b`. */
export const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor => made(native.where(condition.handle, a.handle, b.handle))
export const lessThan = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.lessThanScalar(a.handle, b) : native.lessThan(a.handle, b.handle))
export const greaterThan = (a: Tensor, b: Tensor | number): Tensor =>
  made(typeof b === "number" ? native.greaterThanScalar(a.handle, b) : native.greaterThan(a.handle, b.handle))

export const relu = (t: Tensor): Tensor => made(native.relu(t.handle))
export const leakyRelu = (t: Tensor, slope: number): Tensor => made(native.leakyRelu(t.handle, slope))
/** "none" is x·Φ(x) by the error function, "tanh" its approximation. */
export const gelu = (t: Tensor, approximate: "none" | "tanh" = "none"): Tensor => made(native.gelu(t.handle, approximate))
export const softplus = (t: Tensor): Tensor => made(native.softplus(t.handle))
export const sigmoid = (t: Tensor): Tensor => made(native.sigmoid(t.handle))
export const softmax = (t: Tensor, dim: number): Tensor => made(native.softmax(t.handle, dim))
export const logSoftmax = (t: Tensor, dim: number): Tensor => made(native.logSoftmax(t.handle, dim))

const bothNumbers = (): never => {
  throw new TypeError("sub of two plain numbers")
}
