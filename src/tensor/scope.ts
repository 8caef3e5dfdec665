/** Lifetime and ownership of tensors. Scopes are synchronous: a fiber or a promise must not suspend inside one. */
import { TensorError } from "./errors.ts"
import { native } from "./native.ts"
import { Tensor } from "./tensor.ts"

/** Tensors made in the innermost open scope; null outside all scopes, where tensors live until they are disposed. */
let current: Tensor[] | null = null

/** Every new tensor comes from here, so that the open scope knows it. */
export const made = (handle: number): Tensor => {
  const tensor = new Tensor(handle)
  if (current !== null) current.push(tensor)
  return tensor
}

/** The tensors in a value: itself, or inside arrays, plain objects, maps and sets, at any depth. */
const tensorsIn = (value: unknown, into: Set<Tensor> = new Set()): Set<Tensor> => {
  if (typeof value !== "object" || value === null) return into
  if (value instanceof Tensor) return into.add(value)
  if (Array.isArray(value) || value instanceof Set) for (const item of value) tensorsIn(item, into)
  else if (value instanceof Map) for (const item of value.values()) tensorsIn(item, into)
  else {
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) for (const item of Object.values(value)) tensorsIn(item, into)
  }
  return into
}

const isThenable = (value: unknown) => typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/**
 * Runs `f` and frees every tensor made in it but those in its result (which join the outer scope) and those taken by `keep`. Where `f`
 * throws, all are freed.
 */
export const scope = <A>(f: () => A): A => {
  const outer = current
  const mine: Tensor[] = []
  current = mine
  let survivors: ReadonlySet<Tensor> = new Set()
  try {
    const result = f()
    if (isThenable(result)) throw new TensorError("invalid", "scope", "a scope must be synchronous; it got a promise")
    survivors = tensorsIn(result)
    return result
  } finally {
    current = outer
    const dead: number[] = []
    for (const tensor of mine) {
      if (tensor.kept) continue
      if (survivors.has(tensor)) outer?.push(tensor)
      else dead.push(tensor.handle)
    }
    if (dead.length > 0) native.releaseAll(dead)
  }
}

/** Takes a tensor out of all scopes: whoever calls this disposes it. */
export const keep = (tensor: Tensor): Tensor => {
  tensor.kept = true
  return tensor
}

/** Runs `f` with new handles belonging to owner `name` (an actor). */
export const withOwner = <A>(name: string, f: () => A): A => {
  const before = native.setOwner(name)
  try {
    return f()
  } finally {
    native.setOwner(before)
  }
}

/** Makes `owner` the owner of the tensors in a value. */
export const move = (value: unknown, owner: string): void => native.move(Array.from(tensorsIn(value), (tensor) => tensor.handle), owner)

/** Frees every handle of an owner; returns how many there were. */
export const reclaim = (owner: string): number => native.reclaim(owner)

export interface Live {
  readonly count: number
  readonly bytes: number
}

/** What is live now, in all and by owner. Memory that several handles share counts once. */
export const live = (): Live & { readonly owners: Readonly<Record<string, Live>> } => {
  const owners = native.live()
  let count = 0, bytes = 0
  for (const owner of Object.values(owners)) {
    count += owner.count
    bytes += owner.bytes
  }
  return { count, bytes, owners }
}
