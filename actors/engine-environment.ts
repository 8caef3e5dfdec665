/**
 * The engine's environment, set before its libraries load. Threads, spinning and the BLAS in use decide speed and bits, so it is recorded in
 * run.json, and a resume under another one warns. What the user has set is left alone.
 */
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

/** One line of /proc/cpuinfo tells which vector units there are; elsewhere the libraries choose by themselves. */
const hasAvx512 = (): boolean => {
  try {
    return /^flags\s*:.*\bavx512f\b.*\bavx512bw\b/m.test(readFileSync("/proc/cpuinfo", "utf8"))
  } catch {
    return false // no /proc: not Linux
  }
}

/** The variables that decide speed and bits, with the values the engine gets. */
export const forEngine = (device: string, given: NodeJS.ProcessEnv = process.env): Record<string, string> => {
  const cores = String(availableParallelism())
  const chosen: Record<string, string> = {
    OMP_NUM_THREADS: cores,
    OPENBLAS_NUM_THREADS: cores,
    // Spinning OpenMP threads fight BLAS's and the image decoder's for the same cores.
    GOMP_SPINCOUNT: "1000",
    ...(hasAvx512() ? {
      // OpenBLAS 0.3.21 does not know processors newer than itself, libtorch 1.13 stays on AVX2 unless told.
      OPENBLAS_CORETYPE: "SKYLAKEX",
      ATEN_CPU_CAPABILITY: "avx512"
    } : {}),
    ...(device.startsWith("cuda") ? { CUBLAS_WORKSPACE_CONFIG: ":4096:8", CUDA_VISIBLE_DEVICES: device.split(":")[1] ?? "0" } : {})
  }
  return Object.fromEntries(Object.entries(chosen).map(([name, value]) => [name, given[name] ?? value]))
}

/** The name of the device in the engine: where the engine sees one GPU alone, that one is its first. */
export const deviceInEngine = (device: string, given: NodeJS.ProcessEnv = process.env): string =>
  device.startsWith("cuda:") && given["CUDA_VISIBLE_DEVICES"] === undefined ? "cuda:0" : device

/** What differs between the environment a run was started with and today's. */
export const changes = (was: Readonly<Record<string, string>>, is: Readonly<Record<string, string>>) =>
  [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((name) => was[name] !== is[name]).map((variable) => ({ variable, was: was[variable] ?? null, is: is[variable] ?? null }))
