/** What `rae stats` asks of the process that computes, and what that one says, line by line. */
import type { RunConfig } from "../src/config/schema.ts"

export interface StatisticsRequest {
  readonly config: RunConfig
  /** Folder of class folders of images. */
  readonly data: string
  /** File to write. */
  readonly output: string
  readonly device: "cpu" | `cuda:${number}`
  /** Batches between two files to go on from. */
  readonly saveEvery: number
}

export type StatisticsLine =
  | { readonly kind: "progress"; readonly done: number; readonly of: number }
  | { readonly kind: "resumed"; readonly done: number; readonly of: number }
  | { readonly kind: "unreadable"; readonly path: string; readonly reason: string }
  | { readonly kind: "done"; readonly path: string; readonly images: number; readonly shape: ReadonlyArray<number> }
  | { readonly kind: "failed"; readonly reason: string; readonly help: string }
