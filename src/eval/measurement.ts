/** What is measured of reconstructions, batch by batch: the same for `rae eval` and for the evaluator of a run. */
import type { Inception } from "../models/inception.ts"
import { inceptionFeatures } from "../models/inception.ts"
import { scope } from "../tensor/scope.ts"
import type { Tensor } from "../tensor/tensor.ts"
import { FeatureMoments, type Moments } from "./feature-moments.ts"
import { frechetDistance } from "./frechet-distance.ts"
import { lpips } from "./lpips.ts"
import { psnr } from "./psnr.ts"
import { ssim } from "./ssim.ts"

export interface Instruments {
  /** LPIPS's weights under the names of lpipsSpec; null: not measured. */
  readonly lpips: ReadonlyMap<string, Tensor> | null
  /** What rFID sees by; null: not measured. `reference`: what it compares with, the originals where that is null. */
  readonly rfid: { readonly inception: Inception; readonly reference: Moments | null } | null
}

export interface Figures {
  readonly images: number
  /** Means over the images: dB, and a part of 1. */
  readonly psnr: number
  readonly ssim: number
  readonly lpips: number | null
  /** Fréchet distance of the reconstructions' Inception features; null where it is not measured, or of fewer than two images. */
  readonly rfid: number | null
}

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/** Moments of images' Inception features. */
export class ImageMoments {
  readonly #inception: Inception
  readonly #features = new FeatureMoments(inceptionFeatures)

  constructor(inception: Inception) {
    this.#inception = inception
  }

  get count(): number {
    return this.#features.count
  }

  /** Images [B,3,H,W] in [0,1], in steps of 1/255. */
  add(images: Tensor): void {
    scope(() => this.#features.add(this.#inception.features(images)))
  }

  /** The caller owns the tensors. Throws InvalidMoments for fewer than two images. */
  moments(): Moments {
    return this.#features.moments()
  }

  dispose(): void {
    this.#features.dispose()
  }
}

export class Measurement {
  readonly #instruments: Instruments
  readonly #made: ImageMoments | null
  /** Of the originals, where nothing else is the reference. */
  readonly #originals: ImageMoments | null
  #images = 0
  #psnr = 0
  #ssim = 0
  #lpips = 0

  constructor(instruments: Instruments) {
    const { rfid } = instruments
    this.#instruments = instruments
    this.#made = rfid === null ? null : new ImageMoments(rfid.inception)
    this.#originals = rfid !== null && rfid.reference === null ? new ImageMoments(rfid.inception) : null
  }

  get images(): number {
    return this.#images
  }

  /** Originals and their reconstructions, both [B,3,S,S] in [0,1], in steps of 1/255. */
  add(originals: Tensor, reconstructions: Tensor): void {
    this.#images += originals.shape[0]!
    this.#psnr += sum(psnr(reconstructions, originals))
    this.#ssim += sum(ssim(reconstructions, originals))
    if (this.#instruments.lpips !== null) this.#lpips += sum(lpips(this.#instruments.lpips, reconstructions, originals))
    this.#made?.add(reconstructions)
    this.#originals?.add(originals)
  }

  /** Moments that rFID compares with; null where it is not measured. The caller owns those of the originals. */
  reference(): Moments | null {
    return this.#originals?.moments() ?? this.#instruments.rfid?.reference ?? null
  }

  /** Of at least one image. */
  figures(): Figures {
    const images = this.#images
    return {
      images, psnr: this.#psnr / images, ssim: this.#ssim / images, lpips: this.#instruments.lpips === null ? null : this.#lpips / images,
      rfid: this.#made === null || images < 2 ? null : scope(() => frechetDistance(this.#made!.moments(), this.reference()!))
    }
  }

  dispose(): void {
    this.#made?.dispose()
    this.#originals?.dispose()
  }
}
