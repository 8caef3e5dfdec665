import * as Data from "effect/Data"

/** An image that cannot be had: `problem` says what kind of fault, `reason` adds what the file system or the decoder said. */
export class CorruptSample extends Data.TaggedError("CorruptSample")<{
  readonly index: number
  readonly path: string
  readonly problem: "vanished" | "unreadable" | "empty" | "huge" | "not an image" | "truncated" | "corrupt"
  readonly reason: string
}> {
  override get message(): string {
    return `image ${this.index}, ${this.path}: ${this.reason}`
  }
}
