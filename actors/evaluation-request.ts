/** What `rae eval` asks of the process that computes, and what that one says, line by line. */
import type { AutoencoderSource } from "./autoencoder-source.ts"
import type { ProcessFailure } from "./process-failure.ts"

export const metricNames = ["psnr", "ssim", "lpips", "rfid"] as const
export type Metric = (typeof metricNames)[number]

/** What rFID compares with: the evaluated images themselves, those of a folder, or an npz of images (`arr_0`) or of moments (`mu`, `sigma`). */
export type Reference =
  | { readonly kind: "own" }
  | { readonly kind: "folder" | "npz"; readonly path: string }

export interface EvaluationRequest {
  readonly autoencoder: AutoencoderSource
  /** Folder of images, absolute. */
  readonly data: string
  /** The first so many by path; null: all. */
  readonly images: number | null
  readonly metrics: ReadonlyArray<Metric>
  readonly reference: Reference
  /** File of Inception's weights; null: drawn. */
  readonly inception: string | null
  /** File for the reference's moments (`mu`, `sigma`), or null. */
  readonly saveMoments: string | null
  /** Images that are computed together. */
  readonly batchSize: number
  readonly device: "cpu" | `cuda:${number}`
}

export interface Evaluated {
  /** Side of the images. */
  readonly size: number
  /** Those that could be read. */
  readonly images: number
  readonly unreadable: ReadonlyArray<{ readonly path: string; readonly reason: string }>
  /** Null: not asked for. */
  readonly metrics: { readonly [M in Metric]: number | null }
  /** What rFID compared with; `images` is null for moments, which do not say. */
  readonly reference: { readonly path: string | null; readonly images: number | null } | null
  /** Networks whose weights were drawn, not read. */
  readonly drawn: ReadonlyArray<string>
  /** Spent on the images, without loading. */
  readonly seconds: number
}

export type EvaluationLine =
  | { readonly kind: "began"; readonly images: number }
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: string }
  | { readonly kind: "progress"; readonly what: "images" | "reference"; readonly done: number; readonly of: number }
  | { readonly kind: "done"; readonly result: Evaluated }
  | { readonly kind: "failed"; readonly failure: ProcessFailure }
