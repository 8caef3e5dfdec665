/** What the schema says about its keys, looked up by path: for errors and for the documentation. */
import * as SchemaAST from "effect/SchemaAST"
import type { KeyNotes } from "./keys.ts"
import type { Path } from "./tree.ts"

export interface SchemaKey extends KeyNotes {
  readonly path: ReadonlyArray<string>
  readonly byDefault: unknown
  /** Has no default: must be stated. */
  readonly required: boolean
  readonly children: ReadonlyArray<SchemaKey>
}

/** The struct that a schema decodes to; of `struct or null`, the struct. */
const structOf = (ast: SchemaAST.AST): SchemaAST.Objects | undefined =>
  SchemaAST.isObjects(ast) ? ast : SchemaAST.isUnion(ast) ? ast.types.find(SchemaAST.isObjects) : undefined

export const keysOf = (ast: SchemaAST.AST, path: ReadonlyArray<string> = []): ReadonlyArray<SchemaKey> =>
  (structOf(ast)?.propertySignatures ?? []).map(({ name, type }) => {
    const { description, expected, unit, byDefault } = (type.context?.annotations ?? {}) as unknown as KeyNotes & { readonly byDefault?: unknown }
    const own = [...path, String(name)]
    return { path: own, description, expected, unit, byDefault, required: type.encoding === undefined, children: keysOf(type, own) }
  })

/** The key at `path`; for an item of a list, the list's. */
export const keyAt = (keys: ReadonlyArray<SchemaKey>, path: Path): SchemaKey | undefined => {
  const [first, ...rest] = path
  const found = keys.find(({ path: own }) => own.at(-1) === first)
  return found === undefined || rest.length === 0 || typeof rest[0] === "number" ? found : keyAt(found.children, rest)
}

export const flatten = (keys: ReadonlyArray<SchemaKey>): ReadonlyArray<SchemaKey> =>
  keys.flatMap((key) => [key, ...flatten(key.children)])
