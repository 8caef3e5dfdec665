/** Configuration values that remember where they were written; layers of them merge into one. */
import type { Span } from "./problem.ts"

export type Scalar = string | number | boolean | null
export interface Value { readonly kind: "value"; readonly value: Scalar; readonly at: Span }
export interface List { readonly kind: "list"; readonly items: ReadonlyArray<Node>; readonly at: Span }
export interface Entry { readonly keyAt: Span; readonly node: Node }
export interface Branch { readonly kind: "map"; readonly entries: ReadonlyMap<string, Entry>; readonly at: Span }
export type Node = Value | List | Branch
export type Path = ReadonlyArray<string | number>

export const emptyMap = (at: Span): Branch => ({ kind: "map", entries: new Map(), at })

/** `above` laid over `below`: maps merge key by key, anything else replaces. */
export const merge = (below: Node, above: Node): Node => {
  if (below.kind !== "map" || above.kind !== "map") return above
  return mergeMaps(below, above)
}
export const mergeMaps = (below: Branch, above: Branch): Branch => {
  const entries = new Map(below.entries)
  for (const [name, entry] of above.entries) {
    const under = entries.get(name)
    entries.set(name, under === undefined ? entry : { keyAt: entry.keyAt, node: merge(under.node, entry.node) })
  }
  return { kind: "map", entries, at: above.at }
}

export const without = (map: Branch, names: ReadonlyArray<string>): Branch =>
  ({ ...map, entries: new Map([...map.entries].filter(([name]) => !names.includes(name))) })

/** The map that holds `node` under a dotted key; each step of the path is located inside the key's text. */
export const nest = (dotted: string, keyAt: Span, node: Node): Branch => {
  const quoted = keyAt.to - keyAt.from - dotted.length === 2 ? 1 : 0
  let at = keyAt.from + quoted
  const steps = dotted.split(".").map((name) => {
    const span = { source: keyAt.source, from: at, to: at + name.length }
    at += name.length + 1
    return { name, span }
  })
  return steps.reduceRight<Node>((inner, { name, span }) =>
    ({ kind: "map", entries: new Map([[name, { keyAt: span, node: inner }]]), at: span }), node) as Branch
}

/** Overrides may name keys by their path: `gan.loss.disc_weight: 0` means `gan: { loss: { disc_weight: 0 } }`; later entries win. */
export const expandDotted = (map: Branch): Branch =>
  [...map.entries].reduce((done, [name, { keyAt, node }]) => {
    const inner = node.kind === "map" ? expandDotted(node) : node
    return mergeMaps(done, { ...nest(name, keyAt, inner), at: map.at })
  }, emptyMap(map.at))

export const toPlain = (node: Node): unknown => {
  switch (node.kind) {
    case "value": return node.value
    case "list": return node.items.map(toPlain)
    case "map": {
      // a null prototype: a key `__proto__` is a key like any other
      const plain = Object.create(null) as Record<string, unknown>
      for (const [name, { node: inner }] of node.entries) plain[name] = toPlain(inner)
      return plain
    }
  }
}

/** What stands at `path`, and where: undefined if nothing does. */
export const lookUp = (root: Node, path: Path): Entry | undefined => {
  let found: Entry = { keyAt: root.at, node: root }
  for (const step of path) {
    const { node } = found
    if (node.kind === "map") {
      const entry = node.entries.get(String(step))
      if (entry === undefined) return undefined
      found = entry
    } else if (node.kind === "list") {
      const item = node.items[Number(step)]
      if (item === undefined) return undefined
      found = { keyAt: item.at, node: item }
    } else return undefined
  }
  return found
}

/** Where to point for `path`: its value, or the key of the nearest block around it that is written down. */
export const spanOf = (root: Node, path: Path): Span => {
  const entry = lookUp(root, path)
  if (entry !== undefined) return path.length === 0 ? entry.keyAt : entry.node.kind === "value" ? entry.node.at : entry.keyAt
  const around = path.slice(0, -1)
  return lookUp(root, around)?.keyAt ?? spanOf(root, around)
}
