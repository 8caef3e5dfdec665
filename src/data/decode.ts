/**
 * Image files to RGB bytes, with sharp (libvips).
 *
 * The pixels are those of the reference loader, PIL's `Image.open(path).convert("RGB")`: colour profiles and the orientation
 * tag of EXIF are not applied, alpha is dropped and not blended, CMYK is converted by its formula, of an animation the first
 * frame is taken. One exception: 16-bit grey keeps its upper byte, where PIL clips it to white.
 */
import { open } from "node:fs/promises"
import sharp, { type SharpOptions } from "sharp"
import { CorruptSample } from "./corrupt-sample.ts"
import type { Picture } from "./resample.ts"

/** One thread an image, several images at once: libvips' own threads would compete with OpenMP's. */
sharp.concurrency(1)
/** Every image is decoded once: a cache of operations would only hold memory. */
sharp.cache(false)
/** Drawings are programs that may refer to other files. */
sharp.block({ operation: ["VipsForeignLoadSvg"] })

/** PIL warns of a decompression bomb from here on; 256 MiB as RGB. */
const maxPixels = 89_478_485
const maxFileBytes = 256 * 2 ** 20

/** Damage that decoders only warn of counts: better a replaced image than garbage learnt. */
const options: SharpOptions = { ignoreIcc: true, failOn: "warning", limitInputPixels: maxPixels }

type Problem = CorruptSample["problem"]

/** What opening or reading one file can say about that file; anything else (EMFILE, ENOMEM) is no fault of the file. */
const fileProblems: Readonly<Record<string, Problem>> = {
  ENOENT: "vanished", ENOTDIR: "vanished", EACCES: "unreadable", EPERM: "unreadable", EIO: "unreadable", ELOOP: "unreadable", ESTALE: "unreadable"
}

/** The bytes of the file. Rejects with CorruptSample, or with the system's error where it is not about this file. */
export const readImageFile = async (index: number, path: string): Promise<Uint8Array> => {
  const corrupt = (problem: Problem, reason: string) => new CorruptSample({ index, path, problem, reason })
  try {
    await using file = await open(path)
    const info = await file.stat()
    if (!info.isFile()) throw corrupt("unreadable", "unreadable: not a regular file")
    if (info.size === 0) throw corrupt("empty", "empty file")
    if (info.size > maxFileBytes) throw corrupt("huge", `file of ${info.size} bytes, at most ${maxFileBytes} are read`)
    return await file.readFile()
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause)) throw cause
    const problem = fileProblems[String(cause.code)]
    throw problem === undefined ? cause : corrupt(problem, `${problem}: ${String(cause.code)}`)
  }
}

/** Adobe's inversion is undone by libvips already. The rounding is PIL's. */
const rgbOfCmyk = (cmyk: Uint8Array): Uint8Array => {
  const rgb = new Uint8Array((cmyk.length / 4) * 3)
  for (let i = 0, o = 0; i < cmyk.length; i += 4, o += 3) {
    const light = 255 - cmyk[i + 3]!
    for (let c = 0; c < 3; c++) {
      const product = cmyk[i + c]! * light + 128
      rgb[o + c] = light - (((product >> 8) + product) >> 8)
    }
  }
  return rgb
}

const problemOf = (message: string): Problem => {
  if (message.includes("unsupported image format")) return "not an image"
  if (message.includes("exceeds pixel limit")) return "huge"
  return /premature end|unexpected end|truncated|not enough data|out of order read/i.test(message) ? "truncated" : "corrupt"
}

/** Decodes the bytes of an image file. Rejects with CorruptSample. */
export const decode = async (index: number, path: string, bytes: Uint8Array): Promise<Picture> => {
  try {
    const { space } = await sharp(bytes, options).metadata()
    const cmyk = space === "cmyk"
    const colour = cmyk
      ? sharp(bytes, options).pipelineColourspace("cmyk").toColourspace("cmyk")
      : sharp(bytes, options).removeAlpha().toColourspace("srgb")
    const { data, info } = await colour.raw().toBuffer({ resolveWithObject: true })
    const channels: number = info.channels
    if (channels !== (cmyk ? 4 : 3)) throw new Error(`decoded to ${channels} channels of ${space}`)
    return { width: info.width, height: info.height, pixels: cmyk ? rgbOfCmyk(data) : data }
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.trim().replace(/\s*\n\s*/g, "; ") : String(cause)
    const problem = problemOf(message)
    throw new CorruptSample({ index, path, problem, reason: `${problem}: ${message}` })
  }
}
