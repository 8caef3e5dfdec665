/** The Inception network of rFID from its published file, or drawn where a run of random weights has none. */
import type { RunConfig } from "../src/config/schema.ts"
import { Inception, inceptionSpec } from "../src/models/inception.ts"
import type { Device } from "../src/tensor/dtype.ts"
import { filesOf, initialWeights } from "./role-weights.ts"

/** The config's file; none where the config does not measure rFID, or the file is not there. */
export const inceptionFiles = (config: RunConfig): ReadonlyArray<string> => filesOf(config, "eval.metrics")

/** The caller disposes it. Throws InvalidWeights, and TensorError for a file that holds no weights or has another hash than its name says. */
export const loadInception = (config: RunConfig, device: Device, files: ReadonlyArray<string> = inceptionFiles(config)): Inception =>
  new Inception(initialWeights(inceptionSpec(), files, config.training.global_seed, device))
