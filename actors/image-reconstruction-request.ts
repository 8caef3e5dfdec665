/** What `rae reconstruct` asks of the process that computes, and what that one says, line by line. */
import type { AutoencoderSource } from "./autoencoder-source.ts"
import type { ProcessFailure } from "./process-failure.ts"

export interface ReconstructionRequest {
  readonly autoencoder: AutoencoderSource
  /** What the weights are of, for people: a run's name or a config's file, and the checkpoint's step. */
  readonly from: { readonly name: string; readonly step: number | null }
  /** All absolute: a folder of images, or images. */
  readonly images: { readonly kind: "folder"; readonly path: string } | { readonly kind: "files"; readonly paths: ReadonlyArray<string> }
  /** Folder to write into. */
  readonly output: string
  /** Files to write, or null: the picture of some rows, and all pixels as numpy's npz. */
  readonly grid: string | null
  readonly npz: string | null
  /** Images that are computed together. */
  readonly batchSize: number
  readonly device: "cpu" | `cuda:${number}`
  /** Overwrite what is there. */
  readonly fresh: boolean
}

export interface Reconstructed {
  /** Side of the images. */
  readonly size: number
  readonly images: number
  /** By this call, and by earlier ones. */
  readonly written: number
  readonly kept: number
  readonly skipped: ReadonlyArray<{ readonly path: string; readonly reason: string }>
  /** Those that share their name with another one. */
  readonly renamed: ReadonlyArray<{ readonly path: string; readonly output: string }>
  /** Images shown in the picture and held in the npz; null where none was asked for, or this call did not come to it. */
  readonly grid: number | null
  readonly npz: number | null
  /** Spent on encoding and decoding, without loading. */
  readonly seconds: number
}

export type ReconstructionLine =
  | { readonly kind: "began"; readonly images: number; readonly kept: number }
  | { readonly kind: "renamed"; readonly path: string; readonly output: string }
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: string }
  /** `done`: written, kept and unreadable ones of all. */
  | { readonly kind: "progress"; readonly done: number; readonly written: number }
  | { readonly kind: "packing"; readonly done: number; readonly of: number }
  | { readonly kind: "done" | "stopped"; readonly result: Reconstructed }
  | { readonly kind: "failed"; readonly failure: ProcessFailure }
