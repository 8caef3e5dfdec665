/** The devices that tests of operations run on: the CPU, and a GPU where there is one that this build can use. */
import type { Device } from "../src/tensor/dtype.ts"
import { requireDevice } from "../src/tensor/device.ts"

const gpuProblem = (): string => {
  try {
    requireDevice("cuda:0")
    return ""
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Why tests of the GPU are left out; empty where they run. */
export const withoutGpu = gpuProblem()
if (withoutGpu !== "") console.warn(`tests of the GPU are skipped: ${withoutGpu}`)

export const devices: ReadonlyArray<Device> = withoutGpu === "" ? ["cpu", "cuda:0"] : ["cpu"]
