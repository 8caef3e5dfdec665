/** Signs of life of this process, and its death with its parent. */
import { native } from "./native.ts"

/**
 * A native thread writes a 32-byte little-endian frame to `fd` every interval: u32 operation in flight (0 none, an index of `opNames`), u32
 * zero, u64 operations done, u64 time of the event loop's last tick, u64 now (both monotonic milliseconds). Returns what stops the ticks.
 */
export const startHeartbeat = (fd: number, intervalMs: number): () => void => {
  native.startHeartbeat(fd, intervalMs)
  const timer = setInterval(native.loopTick, intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Operation names by the number in a frame; 0 is "none". */
export const opNames = (): readonly string[] => native.opNames()
/** Operations that this process has finished. */
export const opsDone = (): number => native.opsDone()

/**
 * From now on the kernel kills this process when its parent dies. With the parent's pid also a death before this call is noticed: then
 * this process ends at once.
 */
export const dieWithParent = (parent = 0): void => native.dieWithParent(parent)

/** Blocks the JavaScript thread inside an operation, for tests of the supervisor's patience. */
export const block = (ms: number): void => native.block(ms)
