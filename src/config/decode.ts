/** Checks a merged tree against a schema; what does not fit is reported at the place it was written. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { fileKeys } from "./layers.ts"
import { didYouMean, nearest } from "./nearest.ts"
import { problemAt, type Problem } from "./problem.ts"
import { flatten, keyAt, keysOf, type SchemaKey } from "./schema-keys.ts"
import { lookUp, spanOf, toPlain, type Node, type Path } from "./tree.ts"
import type { Read } from "./yaml-source.ts"

/** Issues reduced to their kind: words and places come from the schema's notes and the tree. */
const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: ({ _tag }) => _tag === "MissingKey" ? "missing" : _tag === "UnexpectedKey" ? "unknown" : "wrong",
  checkHook: () => "wrong"
})

export interface DecodeOptions {
  /** What keys that the schema does not know are. */
  readonly excess?: "error" | "ignore"
  /** The tree is a layer: what it leaves out may stand in another. */
  readonly partial?: boolean
}

export const decode = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  tree: Node,
  { excess = "error", partial = false }: DecodeOptions = {}
): Read<S["Type"]> => {
  const exit = Schema.decodeUnknownExit(schema)(toPlain(tree), { errors: "all", onExcessProperty: excess })
  if (Exit.isSuccess(exit)) return { ok: true, value: exit.value }
  const error = Option.getOrThrow(Exit.findErrorOption(exit))
  const keys = keysOf(schema.ast)
  const problems = new Map<string, Problem>()
  for (const { path = [], message } of format(error.issue).issues) {
    const steps = path.map((step) => Predicate.isObject(step) && "key" in step ? step.key : step) as Path
    const place = steps.join(".")
    if (!problems.has(place) && (message !== "missing" || !partial)) problems.set(place, describe(message, steps, tree, keys))
  }
  return { ok: false, problems: inOrder([...problems.values()]) }
}

/** As one meets them in reading the sources. */
const inOrder = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> => {
  const files = [...new Set(problems.map(({ file }) => file))]
  return problems.toSorted((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column)
}

const describe = (kind: string, path: Path, tree: Node, keys: ReadonlyArray<SchemaKey>): Problem => {
  const name = path.filter(Predicate.isString).join(".")
  const key = keyAt(keys, path)
  const help = key === undefined ? null : helpFor(key)
  const item = path.at(-1)
  if (kind === "missing" && !Predicate.isNumber(item)) return problemAt(spanOf(tree, path), `missing key \`${name}\``, key === undefined ? null : `${help}; ${key.expected}`)
  const entry = lookUp(tree, path)
  if (kind === "unknown" && Predicate.isString(item)) {
    return problemAt(entry?.keyAt ?? spanOf(tree, path), `unknown key \`${name}\``, helpForUnknown(path, keys))
  }
  const got = entry === undefined ? "nothing" : shown(entry.node)
  return problemAt(spanOf(tree, path), `\`${name}\` must be ${key?.expected ?? "something else"}, ${Predicate.isNumber(item) ? `item ${item + 1} is` : "got"} ${got}`, help)
}

const helpFor = ({ path, description, unit }: SchemaKey): string =>
  `\`${path.at(-1)}\`: ${description}${unit === undefined ? "" : ` (${unit})`}`

const helpForUnknown = (path: Path, keys: ReadonlyArray<SchemaKey>): string => {
  const name = String(path.at(-1))
  const parent = path.slice(0, -1)
  const siblings = parent.length === 0 ? keys : keyAt(keys, parent)?.children ?? []
  const names = [...siblings.map(({ path: own }) => own.at(-1) ?? ""), ...parent.length === 0 ? fileKeys : []]
  const elsewhere = flatten(keys).find(({ path: own }) => own.at(-1) === name)
  return nearest(name, names) === undefined && elsewhere !== undefined ? `\`${name}\` belongs in \`${elsewhere.path.slice(0, -1).join(".")}\`` : didYouMean(name, names)
}

const shown = (node: Node): string =>
  node.kind === "map" ? "a map" : node.kind === "list" ? `a list of ${node.items.length}` : typeof node.value === "string" ? `"${node.value}"` : String(node.value)
