/** The name of a cached feature: a hash of everything that decides its bits. */
import { hash } from "node:crypto"

/** What all features of one run have in common. */
export interface Encoding {
  /** Hash of the encoder's weights. */
  readonly encoder: string
  readonly libtorch: string
  readonly device: string
  readonly precision: string
  /** Of the images that were encoded together: the same image in another batch may give other bits. */
  readonly batchShape: ReadonlyArray<number>
}

/** `image` and `crop`: a sample's content hash and the name of its crop. 32 hex digits. */
export const featureKey = ({ encoder, libtorch, device, precision, batchShape }: Encoding, image: string, crop: string): string =>
  hash("sha256", JSON.stringify(["feature 1", encoder, libtorch, device, precision, batchShape, image, crop])).slice(0, 32)
