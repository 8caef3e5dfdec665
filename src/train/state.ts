/** Reading state back into the memory that roles keep it in. */
import * as T from "../tensor/ops.ts"
import type { Tensor } from "../tensor/tensor.ts"

const shown = (shape: readonly number[]) => `[${shape.join(", ")}]`

/** Copies every tensor of `own` from the one of the same name; throws, before anything is written, where one is missing or of another shape. */
export const restore = (own: ReadonlyMap<string, Tensor>, from: ReadonlyMap<string, Tensor>): void => {
  for (const [name, tensor] of own) {
    const saved = from.get(name)
    if (saved === undefined) throw new Error(`state has no tensor named ${name}`)
    if (shown(saved.shape) !== shown(tensor.shape)) throw new Error(`state of ${name}: expected shape ${shown(tensor.shape)}, got ${shown(saved.shape)}`)
  }
  for (const [name, tensor] of own) if (from.get(name) !== tensor) T.copy_(tensor, from.get(name)!)
}

/** A counter that a role was saved with. */
export const counter = (counters: Readonly<Record<string, number>>, name: string): number => {
  const value = counters[name]
  if (value === undefined) throw new Error(`state has no counter named ${name}`)
  return value
}

export const prefixed = <A>(prefix: string, entries: Iterable<readonly [string, A]>): ReadonlyArray<readonly [string, A]> =>
  Array.from(entries, ([name, value]) => [prefix + name, value] as const)
