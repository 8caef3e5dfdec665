/**
 * Events of TensorBoard as protocol buffers: the fields of tensorflow/core/util/event.proto and framework/summary.proto that scalars,
 * pictures and a resumed run need, encoded by hand.
 */

export interface Scalar {
  readonly tag: string
  readonly value: number
}
export interface Picture {
  readonly tag: string
  readonly width: number
  readonly height: number
  readonly png: Uint8Array
}
export type EventContent =
  | { readonly _tag: "FileVersion" }
  /** A session begins at the event's step: readers drop what earlier ones said of it and of later steps. */
  | { readonly _tag: "SessionStart" }
  | { readonly _tag: "Scalars"; readonly scalars: ReadonlyArray<Scalar> }
  | { readonly _tag: "Picture"; readonly picture: Picture }

const varint = (value: number): Buffer => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}
/** Wire types of protocol buffers. */
const wire = { varint: 0, double: 1, bytes: 2, float: 5 } as const
const key = (field: number, type: number): Buffer => varint(field * 8 + type)
const whole = (field: number, value: number): Buffer => Buffer.concat([key(field, wire.varint), varint(value)])
const bytes = (field: number, value: Uint8Array): Buffer => Buffer.concat([key(field, wire.bytes), varint(value.length), value])
const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value))
const double = (field: number, value: number): Buffer => {
  const number = Buffer.alloc(8)
  number.writeDoubleLE(value)
  return Buffer.concat([key(field, wire.double), number])
}
const float = (field: number, value: number): Buffer => {
  const number = Buffer.alloc(4)
  number.writeFloatLE(value)
  return Buffer.concat([key(field, wire.float), number])
}

const rgb = 3
const sessionStart = 1

const content = (of: EventContent): Buffer => {
  switch (of._tag) {
    case "FileVersion": return text(3, "brain.Event:2")
    case "SessionStart": return bytes(7, whole(1, sessionStart))
    case "Scalars": return bytes(5, Buffer.concat(of.scalars.map(({ tag, value }) => bytes(1, Buffer.concat([text(1, tag), float(2, value)])))))
    case "Picture": {
      const { height, png, tag, width } = of.picture
      const image = Buffer.concat([whole(1, height), whole(2, width), whole(3, rgb), bytes(4, png)])
      return bytes(5, bytes(1, Buffer.concat([text(1, tag), bytes(4, image)])))
    }
  }
}

/** `seconds` since 1970; `step` at least 0. */
export const tensorboardEvent = (seconds: number, step: number, of: EventContent): Buffer => Buffer.concat([double(1, seconds), whole(2, step), content(of)])
