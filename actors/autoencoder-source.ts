/** Which encoder and decoder are meant: those of a checkpoint, or those that a config names. Plain values, for another process. */
import type { RunConfig } from "../src/config/schema.ts"

export interface AutoencoderSource {
  readonly config: RunConfig
  /** Directory of a checkpoint whose decoder it is; null: the config's own files, or draws where it names none. */
  readonly checkpoint: string | null
  /** Weights under training or their moving average; of a published file that holds one of them alone, that one. */
  readonly weights: "model" | "ema"
}
