/** `model.safetensors.index.json`: which file of a sharded set holds which tensor. Files are named, never paths. */
import * as Schema from "effect/Schema"
import { parsedKeys, writtenKeys } from "./json-keys.ts"

/** A name of a tensor and of its file, 100,000 times. */
export const maxIndexBytes = 16 * 2 ** 20

export class InvalidShardIndex extends Schema.TaggedError<InvalidShardIndex>()("InvalidShardIndex", { problem: Schema.String }) {
  override get message() {
    return `invalid index of weight files: ${this.problem}`
  }
}
const refuse = (problem: string): never => {
  throw new InvalidShardIndex({ problem })
}
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value)

/** File by tensor name. Throws InvalidShardIndex. */
export const parseShardIndex = (text: string): ReadonlyMap<string, string> => {
  const written = writtenKeys(text, 4)
  if (written === undefined) return refuse("no JSON object, or one nested deeper than the format")
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return refuse(`not JSON: ${(error as Error).message}`)
  }
  if (parsedKeys(json) !== written) return refuse("a key is given twice")
  const map = isObject(json) ? json["weight_map"] : undefined
  if (!isObject(map)) return refuse("no `weight_map`")
  return new Map(Object.entries(map).map(([name, file]) =>
    typeof file === "string" && /^[\w-][\w.-]*$/.test(file) ? [name, file] : refuse(`${name}: expected the name of a file beside it, got ${JSON.stringify(file)?.slice(0, 80)}`)))
}
