/** `marks.json`: which checkpoints somebody pinned. Pruning removes none of them. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { replaceFile } from "./durable-files.ts"
import { marksFile, readSmall, temporaryPrefix } from "./layout.ts"
import { attempt, WriteFailed } from "./storage-errors.ts"

const step = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const Marks = Schema.Struct({ pinned: Schema.Array(step) })
export type Marks = typeof Marks.Type

export const none: Marks = { pinned: [] }

const maxBytes = 2 ** 20
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Marks))

/** Marks of a directory; none where nothing was ever marked. A damaged file is an error, so that nobody prunes by it. */
export const readMarks = Effect.fnUntraced(function*(directory: string) {
  const path = join(directory, marksFile)
  const bytes = yield* attempt("read", path, () => readSmall(path, maxBytes)).pipe(
    Effect.catchIf(({ errno }) => errno === "ENOENT", () => Effect.succeed(null)))
  if (bytes === null) return none
  return yield* decode(Buffer.from(bytes).toString()).pipe(
    Effect.mapError(() => new WriteFailed({ operation: "parse", path, errno: "EBADMSG", needed: null, free: null })))
})

export interface Change {
  readonly pin?: number
  readonly unpin?: number
}

export const changed = (marks: Marks, { pin, unpin }: Change): Marks => ({
  pinned: [...new Set(pin === undefined ? marks.pinned : [...marks.pinned, pin])].filter((step) => step !== unpin).sort((a, b) => a - b)
})

export const writeMarks = (directory: string, marks: Marks) => {
  const path = join(directory, marksFile)
  const temporary = join(directory, `${temporaryPrefix}${marksFile}-${randomUUID()}`)
  return attempt("write", path, () => replaceFile(path, temporary, Buffer.from(`${JSON.stringify(marks)}\n`)))
}
