/** The name of a cached feature: a hash of everything that decides its bits. */
import { hash } from "node:crypto"

/** What decides the bits of a feature besides the image. */
export interface Encoding {
  /** The encoder: its weights (by hash), its sizes, and what is done to an image before it and to a latent after it. */
  readonly encoder: string
  /** Its version, the build of the addon over it, and the environment variables that decide which of their kernels compute. */
  readonly libtorch: string
  readonly device: string
  readonly precision: string
  /** Of the images that are encoded together, and which of them it is: at another place, another kernel computes the rows of a product. */
  readonly batchShape: ReadonlyArray<number>
  readonly place: number
}

/** `image` and `crop`: a sample's content hash and the name of its crop. 32 hex digits. */
export const featureKey = ({ encoder, libtorch, device, precision, batchShape, place }: Encoding, image: string, crop: string): string =>
  hash("sha256", JSON.stringify(["feature 2", encoder, libtorch, device, precision, batchShape, place, image, crop])).slice(0, 32)
