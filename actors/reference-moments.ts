/** What rFID compares with, from where it is said to be: images of a folder or an npz through Inception, or moments as they are published. */
import { listImageFolder } from "../src/data/image-folder.ts"
import { folderSource } from "../src/data/folder-source.ts"
import type { SampleMaker } from "../src/data/sample-job.ts"
import { covarianceOf, InvalidMoments, type Moments, momentsOf } from "../src/eval/feature-moments.ts"
import { ImageMoments } from "../src/eval/measurement.ts"
import { readOriginals } from "../src/eval/reconstruction.ts"
import { InvalidNpy } from "../src/formats/npy-header.ts"
import { type Npz, type NpzArray, readNpz, readNumbers } from "../src/formats/npz-reader.ts"
import { NpzWriter } from "../src/formats/npz-writer.ts"
import { openBytes } from "../src/formats/open-bytes.ts"
import { InvalidZip } from "../src/formats/zip.ts"
import { toImages } from "../src/models/image-space.ts"
import { type Inception, inceptionFeatures } from "../src/models/inception.ts"
import type { Device } from "../src/tensor/dtype.ts"
import * as T from "../src/tensor/ops.ts"
import { keep, scope } from "../src/tensor/scope.ts"
import type { Tensor } from "../src/tensor/tensor.ts"
import { Refused } from "./process-failure.ts"
import { stored } from "./reconstruction-files.ts"

export interface ReferenceMoments {
  readonly moments: Moments
  /** Of which they are; null where a file of moments does not say. */
  readonly images: number | null
}

/** A reference that is there and of the right layout, of which nothing has been computed. */
export type OpenReference =
  | { readonly kind: "moments"; readonly mu: NpzArray; readonly sigma: NpzArray; readonly path: string }
  | { readonly kind: "images"; readonly count: number; readonly path: string; readonly batches: (size: number) => AsyncGenerator<Tensor> }

export interface Measures {
  readonly device: Device
  /** Images that are computed together. */
  readonly batchSize: number
  readonly say: (done: number, of: number) => void
}

/** Sides of images that a resize to 299 makes anything of. */
const largestSide = 16_384
const layouts = "give an npz of images (`arr_0`, uint8 [N,H,W,3]) or of moments (`mu` [2048], `sigma` [2048,2048]), or a folder of images"

/** Errors of the formats, told with the file. */
const ofFile = async <A>(path: string, f: () => Promise<A>): Promise<A> => {
  try {
    return await f()
  } catch (cause) {
    if (cause instanceof InvalidZip || cause instanceof InvalidNpy || cause instanceof InvalidMoments) throw new Refused(`reference ${path}: ${cause.message}`, layouts)
    if (cause instanceof Error && "code" in cause && typeof cause.code === "string" && "syscall" in cause) throw new Refused(`reference ${path}: ${cause.message}`, layouts)
    throw cause
  }
}

const shown = ({ dtype, shape }: NpzArray) => `${dtype} [${shape.join(", ")}]`

const expectShape = (path: string, name: string, array: NpzArray, shape: ReadonlyArray<number>): NpzArray => {
  if (array.dtype !== "uint8" && array.shape.length === shape.length && shape.every((size, d) => size === array.shape[d])) return array
  throw new Refused(`reference ${path}: \`${name}\` is ${shown(array)}, expected float [${shape.join(", ")}]: the mean and covariance of Inception's ${inceptionFeatures} pooled features`, layouts)
}

const openImages = (path: string, array: NpzArray, device: Device): OpenReference => {
  const [count = 0, height = 0, width = 0, channels = 0] = array.shape
  if (array.dtype !== "uint8" || array.shape.length !== 4 || channels !== 3 || height < 1 || width < 1 || height > largestSide || width > largestSide) {
    throw new Refused(`reference ${path}: \`arr_0\` is ${shown(array)}, expected uint8 [N, height, width, 3]`, layouts)
  }
  if (count < 2) throw new Refused(`reference ${path}: ${count} images, expected at least 2`, "a distribution has a covariance")
  async function* batches(size: number): AsyncGenerator<Tensor> {
    for await (const pixels of array.batches(size)) {
      yield scope(() => {
        const bytes_BHWC = T.fromUint8(pixels, [pixels.length / array.itemBytes, height, width, 3])
        return T.div(T.to(T.contiguous(T.permute(bytes_BHWC, [0, 3, 1, 2])), { dtype: "float32", device }), 255)
      })
    }
  }
  return { kind: "images", count, path, batches }
}

const openNpz = async (path: string, npz: Npz, device: Device): Promise<OpenReference> => {
  if (npz.names.includes("mu") && npz.names.includes("sigma")) {
    return {
      kind: "moments", path, mu: expectShape(path, "mu", await npz.array("mu"), [inceptionFeatures]),
      sigma: expectShape(path, "sigma", await npz.array("sigma"), [inceptionFeatures, inceptionFeatures])
    }
  }
  if (npz.names.includes("arr_0")) return openImages(path, await npz.array("arr_0"), device)
  throw new Refused(`reference ${path}: it holds ${npz.names.length === 0 ? "no arrays" : npz.names.slice(0, 5).map((name) => `\`${name}\``).join(", ")}, expected \`arr_0\`, or \`mu\` and \`sigma\``, layouts)
}

const openFolder = async (path: string, size: number, make: SampleMaker, device: Device): Promise<OpenReference> => {
  const source = folderSource(await listImageFolder(path), { seed: 0, cropsPerImage: null }, undefined, make)
  async function* batches(batchSize: number): AsyncGenerator<Tensor> {
    for (let from = 0; from < source.count; from += batchSize) {
      const { pixels, samples, unreadable } = await readOriginals(source, from, Math.min(from + batchSize, source.count), size)
      const [bad] = unreadable
      // which images a reference is of must not depend on which of them a disk gives
      if (bad !== undefined) throw new Refused(`reference ${path}: ${bad.message}`, "every image of a reference must be readable: remove it, or give the moments of the others")
      yield toImages(pixels, samples.length, size, device)
    }
  }
  return { kind: "images", count: source.count, path, batches }
}

/** Checks the layout before anything is computed. `size`: side of a folder's images after the centre crop. Rejects with Refused or DataFolderInvalid. */
export const openReference = async (reference: { readonly kind: "folder" | "npz"; readonly path: string }, size: number, make: SampleMaker, device: Device): Promise<OpenReference> => {
  const { kind, path } = reference
  if (kind === "folder") return await openFolder(path, size, make, device)
  return await ofFile(path, async () => openNpz(path, readNpz(openBytes(path)), device))
}

/** The caller owns the tensors. Rejects with Refused for damage that only reading shows. */
export const momentsOfReference = async (reference: OpenReference, inception: Inception, { batchSize, say }: Measures): Promise<ReferenceMoments> => ofFile(reference.path, async () => {
  if (reference.kind === "moments") {
    const [mu, sigma] = [await readNumbers(reference.mu), await readNumbers(reference.sigma)]
    const { count, factor, mean } = momentsOf(mu, sigma)
    return { moments: { count, mean: keep(mean), factor: keep(factor) }, images: null }
  }
  const gathered = new ImageMoments(inception)
  try {
    for await (const images of reference.batches(batchSize)) {
      gathered.add(images)
      images.dispose()
      say(gathered.count, reference.count)
    }
    return { moments: gathered.moments(), images: gathered.count }
  } finally {
    gathered.dispose()
  }
})

/** As `mu` and `sigma`, in double: what pytorch-fid and its like read. Rejects with StorageError. */
export const writeMoments = (path: string, moments: Moments): Promise<void> => stored("write", path, async () => {
  const [mu, sigma] = scope(() => [T.toBytes(moments.mean), T.toBytes(covarianceOf(moments))] as const)
  const writer = await NpzWriter.create(path)
  try {
    await writer.begin("mu", "float64", [])
    await writer.append(mu)
    await writer.begin("sigma", "float64", [moments.mean.shape[0]!])
    await writer.append(sigma)
    await writer.finish()
  } catch (cause) {
    await writer.discard()
    throw cause
  }
})
