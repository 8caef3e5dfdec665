import { deviceCode, type Device } from "./dtype.ts"
import { TensorError } from "./errors.ts"
import { native } from "./native.ts"

/** "1.13.0", "2.13.0", … */
export const libtorchVersion = (): string => native.libtorchVersion()
export const deviceAvailable = (device: Device): boolean => native.deviceProblem(deviceCode(device)) === ""
/** Throws TensorError `no_device` with libtorch's reason where the device cannot be used. */
export const requireDevice = (device: Device): void => {
  const problem = native.deviceProblem(deviceCode(device))
  if (problem !== "") throw new TensorError("no_device", "device", `${device} cannot be used: ${problem}`)
}
/** Threads of libtorch's operations. */
export const setThreads = (n: number): void => native.setThreads(n)
export const threads = (): number => native.threads()
/** libtorch's own account of its BLAS, oneDNN, vector width and threads. */
export const buildInfo = (): string => native.buildInfo()
/** Peak resident memory of this process. */
export const peakBytes = (): number => native.peakBytes()
