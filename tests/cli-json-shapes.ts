/** The contract of docs/cli-json.md, as data: what the tests of each command hold its documents against. */
import { assert } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const page = readFileSync(join(import.meta.dirname, "../docs/cli-json.md"), "utf8")
export const shapes: ReadonlyMap<string, unknown> = new Map([...page.matchAll(/^```json ([\w-]+)\n([\s\S]*?)^```$/gm)].map((match) => [match[1] ?? "", JSON.parse(match[2] ?? "")]))

const typeOf = (value: unknown) => (value === null ? "null" : typeof value)

/** Where a value is not as the page says. */
const misfits = (value: unknown, shape: unknown, at: string): ReadonlyArray<string> => {
  if (shape === "any") return []
  if (typeof shape === "string") return shape.split("|").includes(typeOf(value)) ? [] : [`${at}: expected ${shape}, got ${typeOf(value)}`]
  if (Array.isArray(shape)) return Array.isArray(value) ? value.flatMap((each, i) => misfits(each, shape[0], `${at}[${i}]`)) : [`${at}: expected a list, got ${typeOf(value)}`]
  const { "?": nullable, "*": each, ...fields } = shape as Readonly<Record<string, unknown>>
  if (value === null && nullable !== undefined) return []
  if (typeof value !== "object" || value === null) return [`${at}: expected an object, got ${typeOf(value)}`]
  if (each !== undefined) return Object.entries(value).flatMap(([name, one]) => misfits(one, each, `${at}.${name}`))
  const names = new Set([...Object.keys(fields), ...Object.keys(value)])
  return [...names].flatMap((name) =>
    !(name in fields) ? [`${at}.${name}: not in docs/cli-json.md`] : !(name in value) ? [`${at}.${name}: missing`] : misfits((value as Readonly<Record<string, unknown>>)[name], fields[name], `${at}.${name}`))
}

/** The document printed by a command has exactly the fields that the page promises. Gives the document. */
export const assertDocument = (name: string, printed: string): unknown => {
  assert.isTrue(shapes.has(name), `docs/cli-json.md has no shape ${name}`)
  const document: unknown = JSON.parse(printed)
  assert.deepStrictEqual(misfits(document, shapes.get(name), name), [])
  return document
}
