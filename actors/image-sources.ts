/** Where a run's training and held-out images come from, by its config: folders, or pictures drawn by the program. */
import { drawnSource } from "../src/data/drawn-source.ts"
import { folderSource } from "../src/data/folder-source.ts"
import { splitHeldOut } from "../src/data/held-out.ts"
import { listImageFolder } from "../src/data/image-folder.ts"
import type { SampleMaker } from "../src/data/sample-job.ts"
import { samplePool } from "../src/data/sample-pool.ts"
import type { ImageSource } from "../src/data/source.ts"
import type { RunConfig } from "../src/config/schema.ts"
import type { DataSpec } from "./engine-protocol.ts"

export interface ImageSources {
  readonly training: ImageSource
  readonly heldOut: ImageSource
}

/** Of this process, by their size: a load that is repeated, as after a damaged checkpoint, finds its processes up. */
const pools = new Map<number, SampleMaker>()
const poolOf = (workers: number): SampleMaker => {
  const pool = pools.get(workers) ?? samplePool(workers)
  pools.set(workers, pool)
  return pool
}

/** Rejects with DataFolderInvalid. */
export const openSources = async (spec: DataSpec, evalFolder: string | null, config: RunConfig): Promise<ImageSources> => {
  const draws = { seed: config.training.global_seed, cropsPerImage: config.data.crops_per_image }
  const make = poolOf(config.training.num_workers)
  const given = evalFolder === null ? null : folderSource(await listImageFolder(evalFolder), draws, undefined, make)
  if (spec._tag === "Synthetic") {
    const seeded = { ...draws, seed: config.data.synthetic?.seed ?? 0 }
    return { training: drawnSource(spec.images, "training", seeded, make), heldOut: given ?? drawnSource(spec.held_out, "held-out", seeded, make) }
  }
  const folder = await listImageFolder(spec.path)
  if (given !== null) return { training: folderSource(folder, draws, undefined, make), heldOut: given }
  const split = splitHeldOut(folder.paths)
  return { training: folderSource(folder, draws, split.training, make), heldOut: folderSource(folder, draws, split.heldOut, make) }
}
