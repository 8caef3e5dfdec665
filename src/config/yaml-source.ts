/** Reads YAML (and JSON, its subset) into a tree of located values. */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node as YamlNode } from "yaml"
import { problemAt, type Problem, type Source, type Span } from "./problem.ts"
import { emptyMap, type Branch, type Entry, type Node } from "./tree.ts"

/** Limits against files that aliases blow up or nest without end; a real configuration has some 200 values in 6 levels. */
const maxNodes = 20_000
const maxDepth = 50

export type Read<A> = { readonly ok: true; readonly value: A } | { readonly ok: false; readonly problems: ReadonlyArray<Problem> }

/** The whole of a source; an empty one is an empty map. `offset`: where in the source its YAML begins. */
export const readYaml = (source: Source, offset = 0): Read<Node> => {
  const doc = parseDocument(source.text.slice(offset), { prettyErrors: false, logLevel: "silent" })
  if (doc.errors.length > 0) {
    return { ok: false, problems: doc.errors.map(({ message, pos: [from, to] }) =>
      problemAt({ source, from: from + offset, to: to + offset }, `not valid YAML: ${lowerFirst(message)}`)) }
  }
  return new Reader(source, offset, doc).read()
}

/** The same, where only a map makes sense. */
export const readYamlMap = (source: Source): Read<Branch> => {
  const read = readYaml(source)
  if (!read.ok) return read
  const { value: node } = read
  if (node.kind === "map") return { ok: true, value: node }
  if (node.kind === "value" && node.value === null) return { ok: true, value: emptyMap({ source, from: 0, to: 0 }) }
  return { ok: false, problems: [problemAt(node.at, "expected a map of keys at the top of the file")] }
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

class Reader {
  readonly #source: Source
  readonly #offset: number
  readonly #doc: Document.Parsed
  readonly #problems: Array<Problem> = []
  #nodes = 0

  constructor(source: Source, offset: number, doc: Document.Parsed) {
    this.#source = source
    this.#offset = offset
    this.#doc = doc
  }

  read(): Read<Node> {
    const top = { source: this.#source, from: this.#offset, to: this.#offset }
    const value = this.#node(this.#doc.contents, top, 0)
    return this.#problems.length > 0 ? { ok: false, problems: this.#problems } : { ok: true, value }
  }

  #span(node: YamlNode, otherwise: Span): Span {
    const { range } = node
    return range ? { source: this.#source, from: range[0] + this.#offset, to: range[1] + this.#offset } : otherwise
  }

  #node(written: unknown, around: Span, depth: number): Node {
    const node = isAlias(written) ? written.resolve(this.#doc) : written
    if (++this.#nodes > maxNodes || depth > maxDepth) {
      if (this.#problems.length === 0) this.#problems.push(problemAt(around, `more than ${maxNodes} values, or nested deeper than ${maxDepth}`))
      return { kind: "value", value: null, at: around }
    }
    if (isMap(node)) {
      const at = this.#span(node, around)
      const entries = new Map<string, Entry>()
      for (const { key, value } of node.items) {
        if (!isScalar(key)) {
          this.#problems.push(problemAt(at, "expected a plain name as key"))
          continue
        }
        const keyAt = this.#span(key, at)
        entries.set(String(key.value), { keyAt, node: this.#node(value, keyAt, depth + 1) })
      }
      return { kind: "map", entries, at }
    }
    if (isSeq(node)) {
      const at = this.#span(node, around)
      return { kind: "list", items: node.items.map((item) => this.#node(item, at, depth + 1)), at }
    }
    if (!isScalar(node)) return { kind: "value", value: null, at: around }
    const at = this.#span(node, around)
    const { value } = node
    if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number") {
      // a value that is not there (`key:`) has no width: its key is what can be pointed at
      return { kind: "value", value, at: at.from === at.to ? around : at }
    }
    this.#problems.push(problemAt(at, "expected text, a number, true, false or null"))
    return { kind: "value", value: null, at }
  }
}
