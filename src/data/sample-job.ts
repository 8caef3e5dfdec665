/** How one sample is made, as data, so that another process can do it: nothing but the job and the file decides the sample. */
import { keyOf } from "../random/draws.ts"
import { words } from "../random/philox.ts"
import { contentHash } from "./content-hash.ts"
import { type CropDraws, centrePlan, randomCrop, trainingSize } from "./crop.ts"
import { cutCentre, cutRandomly } from "./cut.ts"
import { decode, readImageFile } from "./decode.ts"
import { drawWindow, wordsPerDrawing } from "./drawing.ts"
import type { Sample } from "./source.ts"

interface Common {
  readonly index: number
  /** A file, or the name of a drawing, which stands in for its content. */
  readonly path: string
  readonly size: number
  /** null: the centre crop of evaluation. */
  readonly epoch: number | null
  readonly draws: CropDraws
}

export type SampleJob = Common & ({ readonly kind: "file" } | { readonly kind: "drawing" })

/** A drawing has no pixels of its own: it is drawn at the size that resizing would have given, and only the crop of it. */
const square = { width: 1, height: 1 }

const sampleOfFile = async ({ index, path, size, epoch, draws }: SampleJob): Promise<Sample> => {
  const bytes = await readImageFile(index, path)
  const hash = contentHash(bytes)
  const picture = await decode(index, path, bytes)
  return { index, path, hash, ...(epoch === null ? cutCentre(picture, size) : cutRandomly(picture, draws, epoch, index, size)) }
}

const sampleOfDrawing = ({ index, path, size, epoch, draws }: SampleJob): Sample => {
  const recipe = words(keyOf(draws.seed, `data/${path}`), wordsPerDrawing)
  const crop = epoch === null
    ? centrePlan({ width: size, height: size }, size).crop
    : randomCrop(draws, epoch, index, trainingSize(square, size), size)
  const pixels = drawWindow(recipe, crop.resized.width, crop.window)
  return { index, path, hash: contentHash(new Uint8Array(recipe.buffer)), pixels, crop, upscaled: null }
}

/** Rejects with CorruptSample, or with what is no fault of the file. */
export type SampleMaker = (job: SampleJob) => Promise<Sample>

export const makeSample: SampleMaker = async (job) => (job.kind === "file" ? sampleOfFile(job) : sampleOfDrawing(job))
