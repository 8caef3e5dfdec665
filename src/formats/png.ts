/**
 * PNG without native code, for pictures that this program wrote: 8 bits a channel, grey, RGB or RGBA, not interlaced (PNG specification,
 * 3rd edition). It lets commands that load nothing native show smaller copies of pictures.
 */
import { crc32, deflateSync, inflateSync } from "node:zlib"

export interface Pixels {
  readonly width: number
  readonly height: number
  /** Interleaved RGB, 8 bits a channel. */
  readonly rgb: Uint8Array
}

/** Bytes that are no such PNG. */
export class PngInvalid extends Error {
  readonly _tag = "PngInvalid"
}

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
/** Channels by colour type. */
const channelsOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 6: 4 }
/** A header may claim any size: 64 megapixels is far above any picture of an evaluation. */
const mostPixels = 64 * 1024 * 1024

/** Throws PngInvalid; alpha is dropped. */
export const decodePng = (bytes: Uint8Array): Pixels => {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!file.subarray(0, 8).equals(signature)) throw new PngInvalid("not a PNG file")
  let header: Buffer | undefined
  const packed: Array<Buffer> = []
  for (let at = 8; at + 12 <= file.length;) {
    const length = file.readUInt32BE(at)
    const type = file.toString("latin1", at + 4, at + 8)
    if (at + 12 + length > file.length) break
    const data = file.subarray(at + 8, at + 8 + length)
    if (type === "IHDR" && length === 13) header = data
    if (type === "IDAT") packed.push(data)
    if (type === "IEND") break
    at += 12 + length
  }
  if (header === undefined) throw new PngInvalid("PNG without a header")
  const [width, height, depth, colour, interlace] = [header.readUInt32BE(0), header.readUInt32BE(4), header[8], header[9], header[12]]
  const channels = channelsOf[colour ?? -1]
  if (depth !== 8 || channels === undefined || interlace !== 0) throw new PngInvalid(`expected 8-bit grey, RGB or RGBA without interlacing, got depth ${depth}, colour type ${colour}, interlace ${interlace}`)
  if (width === 0 || height === 0 || width * height > mostPixels) throw new PngInvalid(`expected 1 to ${mostPixels} pixels, got ${width}x${height}`)
  return { width, height, rgb: toRgb(unfilter(unpack(packed, (width * channels + 1) * height), width, height, channels), channels) }
}

const unpack = (packed: ReadonlyArray<Buffer>, expected: number): Buffer => {
  try {
    const raw = inflateSync(Buffer.concat(packed), { maxOutputLength: expected })
    if (raw.length === expected) return raw
  } catch {
    // said below
  }
  throw new PngInvalid("damaged PNG: its pixels cannot be unpacked")
}

/** Undoes the five filters, row by row; each byte is predicted from the ones left, above and above left of it. */
const unfilter = (raw: Buffer, width: number, height: number, channels: number): Uint8Array => {
  const stride = width * channels
  const out = new Uint8Array(stride * height)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x
      const left = x >= channels ? out[at - channels]! : 0
      const above = y > 0 ? out[at - stride]! : 0
      const corner = x >= channels && y > 0 ? out[at - stride - channels]! : 0
      const predicted = filter === 1 ? left : filter === 2 ? above : filter === 3 ? (left + above) >> 1 : filter === 4 ? paeth(left, above, corner) : 0
      out[at] = raw[y * (stride + 1) + 1 + x]! + predicted
    }
  }
  return out
}

const paeth = (left: number, above: number, corner: number): number => {
  const [toLeft, toAbove, toCorner] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)]
  return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner
}

const toRgb = (samples: Uint8Array, channels: number): Uint8Array => {
  if (channels === 3) return samples
  const rgb = new Uint8Array((samples.length / channels) * 3)
  for (let i = 0; i < rgb.length / 3; i++) for (let c = 0; c < 3; c++) rgb[i * 3 + c] = samples[i * channels + (channels === 1 ? 0 : c)]!
  return rgb
}

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const around = Buffer.alloc(8)
  around.writeUInt32BE(data.length, 0)
  around.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)])
}

/** Every row with the Paeth filter: the best single choice for photographs. */
export const encodePng = ({ height, rgb, width }: Pixels): Buffer => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const stride = width * 3
  const filtered = Buffer.alloc((stride + 1) * height)
  for (let y = 0; y < height; y++) {
    filtered[y * (stride + 1)] = 4
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x
      const left = x >= 3 ? rgb[at - 3]! : 0
      const above = y > 0 ? rgb[at - stride]! : 0
      const corner = x >= 3 && y > 0 ? rgb[at - stride - 3]! : 0
      filtered[y * (stride + 1) + 1 + x] = rgb[at]! - paeth(left, above, corner)
    }
  }
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(filtered, { level: 9 })), chunk("IEND", Buffer.alloc(0))])
}

/** Each pixel the mean of the `factor` x `factor` pixels that it stands for; what is left over at the right and below is cut. */
export const shrink = ({ height, rgb, width }: Pixels, factor: number): Pixels => {
  const [w, h] = [Math.max(1, Math.floor(width / factor)), Math.max(1, Math.floor(height / factor))]
  const [across, down] = [Math.min(factor, width), Math.min(factor, height)]
  const out = new Uint8Array(w * h * 3)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0
        for (let dy = 0; dy < down; dy++) for (let dx = 0; dx < across; dx++) sum += rgb[((y * factor + dy) * width + x * factor + dx) * 3 + c]!
        out[(y * w + x) * 3 + c] = Math.round(sum / (across * down))
      }
    }
  }
  return { width: w, height: h, rgb: out }
}
