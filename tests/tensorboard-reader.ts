/** An independent reader of TensorBoard's event files: TFRecord frames with their checksums, and any protocol buffer by field number. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Bit by bit, unreflected, as the definition has it; the writer's is table-driven and reflected. */
export const crc32cByDefinition = (bytes: Uint8Array): number => {
  const reversed = (value: number, bits: number) => {
    let out = 0n
    for (let bit = 0; bit < bits; bit++) if ((BigInt(value) >> BigInt(bit)) & 1n) out |= 1n << BigInt(bits - 1 - bit)
    return out
  }
  let remainder = 0xffffffffn
  for (const byte of bytes) {
    remainder ^= reversed(byte, 8) << 24n
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 0x80000000n ? ((remainder << 1n) ^ 0x1edc6f41n) & 0xffffffffn : (remainder << 1n) & 0xffffffffn
  }
  return Number(reversed(Number(remainder ^ 0xffffffffn), 32))
}
const unmasked = (masked: number): number => {
  const rotated = (masked - 0xa282ead8) >>> 0
  return ((rotated >>> 17) | (rotated << 15)) >>> 0
}

export const readRecords = (file: Buffer): ReadonlyArray<Buffer> => {
  const records: Array<Buffer> = []
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at))
    const data = file.subarray(at + 12, at + 12 + length)
    if (data.length < length || file.length < at + 16 + length) throw new Error(`torn record at ${at}`)
    if (unmasked(file.readUInt32LE(at + 8)) !== crc32cByDefinition(file.subarray(at, at + 8))) throw new Error(`length's checksum at ${at}`)
    if (unmasked(file.readUInt32LE(at + 12 + length)) !== crc32cByDefinition(data)) throw new Error(`data's checksum at ${at}`)
    records.push(data)
    at += 16 + length
  }
  return records
}

export type Field = readonly [number: number, value: number | Buffer]
export const fields = (message: Buffer): ReadonlyArray<Field> => {
  const found: Array<Field> = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const key = varint()
    const number = Math.floor(key / 8)
    if (key % 8 === 0) found.push([number, varint()])
    else if (key % 8 === 1) found.push([number, message.readDoubleLE((at += 8) - 8)])
    else if (key % 8 === 5) found.push([number, message.readFloatLE((at += 4) - 4)])
    else {
      const length = varint()
      found.push([number, message.subarray(at, at += length)])
    }
  }
  return found
}
const one = (message: Buffer, number: number) => fields(message).find(([each]) => each === number)?.[1]

export interface ReadEvent {
  readonly step: number
  readonly version: string | null
  readonly start: boolean
  readonly scalars: Readonly<Record<string, number>>
  readonly images: Readonly<Record<string, { readonly height: number; readonly width: number; readonly png: Buffer }>>
}
const readEvent = (record: Buffer): ReadEvent => {
  const [version, summary, session] = [one(record, 3), one(record, 5), one(record, 7)]
  const values = summary instanceof Buffer ? fields(summary).map(([, value]) => value as Buffer) : []
  const tagged = (number: number) => values.flatMap((value) => {
    const found = one(value, number)
    return found === undefined ? [] : [[String(one(value, 1)), found] as const]
  })
  return {
    step: (one(record, 2) ?? 0) as number, version: version instanceof Buffer ? version.toString() : null, start: session instanceof Buffer && one(session, 1) === 1,
    scalars: Object.fromEntries(tagged(2)) as Readonly<Record<string, number>>,
    images: Object.fromEntries(tagged(4).map(([tag, image]) => [tag, { height: one(image as Buffer, 1) as number, width: one(image as Buffer, 2) as number, png: one(image as Buffer, 4) as Buffer }]))
  }
}

/** Every event of a run's files, in the order in which TensorBoard takes them. */
export const readTensorboard = (dir: string): ReadonlyArray<ReadEvent> =>
  readdirSync(dir).filter((name) => name.includes("tfevents")).sort().flatMap((name) => readRecords(readFileSync(join(dir, name))).map(readEvent))

/** One tag's steps and values as TensorBoard shows them: a session's start drops what was said of its step and later ones. */
export const shownSeries = (events: ReadonlyArray<ReadEvent>, tag: string): ReadonlyArray<readonly [step: number, value: number]> => {
  let points: Array<readonly [number, number]> = []
  for (const { scalars, start, step } of events) {
    if (start) points = points.filter(([before]) => before < step)
    if (scalars[tag] !== undefined) points.push([step, scalars[tag]])
  }
  return points
}
