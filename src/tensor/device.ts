import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { deviceCode, type Device } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { addonFile, native } from "./native.ts"

/** Names the addon's build by its content: another one may compute other bits. */
export const addonHash = (): string => hash("sha256", readFileSync(addonFile)).slice(0, 32)
/** "1.13.0", "2.13.0", … */
export const libtorchVersion = (): string => native.libtorchVersion()
export const deviceAvailable = (device: Device): boolean => native.deviceProblem(deviceCode(device)) === ""
/**
 * Throws TensorError `no_device` with the reason where the device cannot be used. From then on operations on a GPU give the same bits every
 * time, and float32 products there are in float32.
 */
export const requireDevice = (device: Device): void => {
  const problem = native.deviceProblem(deviceCode(device))
  if (problem !== "") throw new TensorError("no_device", "device", `${device} cannot be used: ${problem}`)
  if (device !== "cpu") native.useDeterministicAlgorithms()
}
/** Waits until a GPU has done what it was given; work on the CPU is always done. */
export const synchronize = (device: Device): void => {
  if (device !== "cpu") native.synchronize(deviceCode(device))
}
/** Bytes of a GPU's tensors: in use now, and the most since start or `resetGpuPeak`. */
export const gpuMemory = (device: Exclude<Device, "cpu">): { readonly live: number; readonly peak: number } => native.gpuMemory(deviceCode(device))
export const resetGpuPeak = (device: Exclude<Device, "cpu">): void => native.resetGpuPeak(deviceCode(device))
/** Threads of libtorch's operations. */
export const setThreads = (n: number): void => native.setThreads(n)
export const threads = (): number => native.threads()
/** libtorch's own account of its BLAS, oneDNN, vector width and threads. */
export const buildInfo = (): string => native.buildInfo()
/** Bytes of CPU tensors: in use now, the most since start or `resetPeakMemory`, and the stretch of memory that was ever used. */
export const memoryStats = (): { readonly live: number; readonly peak: number; readonly extent: number } => native.memoryStats()
export const resetPeakMemory = (): void => native.resetPeak()
/** Gives memory that no tensor uses back to the system; otherwise it is kept, as faulting it in again costs more than most operations. */
export const trimMemory = (): void => native.trimMemory()
/** Peak resident memory of this process. */
export const peakBytes = (): number => native.peakBytes()
