/**
 * The weights inside what a training program saved: they may be nested under a name (`model`, `ema`, `state_dict`) and carry the prefixes
 * of the wrappers that they were trained in.
 */
import * as Schema from "effect/Schema"
import type { Dict } from "./pickle.ts"
import type { Part, TensorView, TorchValue } from "./torch-vocabulary.ts"

/** Names that state dicts are nested under; the first that is there is taken, averaged weights before the last ones. */
export const nestings = ["ema", "model", "state_dict"] as const
/** `model` inside `state_dict` inside `model` is more than anyone does. */
const maxNesting = 3
/** DistributedDataParallel and torch.compile. */
const wrappers = ["module.", "_orig_mod."]

export class NoStateDict extends Schema.TaggedError<NoStateDict>()("NoStateDict", { problem: Schema.String }) {
  override get message() {
    return `no weights in it: ${this.problem}`
  }
}

const isTensor = (value: TorchValue): value is TensorView => typeof value === "object" && value !== null && "kind" in value && value.kind === "tensor"

const unwrapped = (name: string): string => {
  const wrapper = wrappers.find((prefix) => name.startsWith(prefix))
  return wrapper === undefined ? name : unwrapped(name.slice(wrapper.length))
}

/** A map under its names without wrappers' prefixes. */
export const withoutWrappers = <A>(named: ReadonlyMap<string, A>): ReadonlyMap<string, A> => {
  const plain = new Map<string, A>()
  for (const [name, value] of named) {
    if (plain.has(unwrapped(name))) throw new NoStateDict({ problem: `${unwrapped(name)} is there with and without a wrapper's prefix` })
    plain.set(unwrapped(name), value)
  }
  return plain
}

const nested = (value: TorchValue, order: ReadonlyArray<string>, depth: number): Dict<Part> => {
  if (!(value instanceof Map)) throw new NoStateDict({ problem: "expected a dict" })
  const inner = depth === 0 ? undefined : order.find((name) => value.get(name) instanceof Map)
  return inner === undefined ? value : nested(value.get(inner)!, order, depth - 1)
}

/** The tensors of a saved value by their names; what else stands beside them (steps, notes) is left. Throws NoStateDict. */
export const stateDict = (value: TorchValue, order: ReadonlyArray<string> = nestings): ReadonlyMap<string, TensorView> => {
  const dict = nested(value, order, maxNesting)
  const tensors = new Map([...dict].flatMap(([name, tensor]) => typeof name === "string" && isTensor(tensor) ? [[name, tensor] as const] : []))
  if (tensors.size === 0) throw new NoStateDict({ problem: `expected tensors, or a dict of them under one of ${order.map((name) => `\`${name}\``).join(", ")}; got the keys ${[...dict.keys()].slice(0, 8).map((name) => JSON.stringify(name)).join(", ") || "of an empty dict"}` })
  return withoutWrappers(tensors)
}
