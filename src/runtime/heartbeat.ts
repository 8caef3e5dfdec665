/**
 * The engine's heartbeat, seen from the supervisor: frames of 32 bytes that a native thread writes, and the judgement whether
 * the process is silent, its event loop blocked, or an operation stuck.
 *
 * Time that the supervisor itself slept through (suspended machine, stopped terminal) accuses nobody: elapsed time counts in
 * small pieces only, and a gap between two frames is silence, not time in an operation.
 */
import * as Duration from "effect/Duration"

export interface Heartbeat {
  /** Native operation in flight; 0: none. */
  readonly op: number
  readonly opsDone: number
  /** When the event loop last turned, and when this was sent; both on the engine's monotonic clock. */
  readonly loopTickMillis: number
  readonly nowMillis: number
}

export interface HangPolicy {
  /** No frame for so long. */
  readonly silence: Duration.Input
  /** The same before the first frame: imports and libraries load then. */
  readonly startup: Duration.Input
  /** How long the event loop may stand still outside native operations; like the next, asked whenever it is judged. */
  readonly loopBlocked: () => Duration.Input
  /** How long an operation may take. */
  readonly opDeadline: (op: number) => Duration.Input
}

export type HangKind = "silent" | "loop blocked" | "op stuck"

export interface Hang {
  readonly kind: HangKind
  readonly op: number
  readonly seconds: number
}

/** u32 op, u32 reserved, u64 ops done, u64 last loop tick, u64 now; little-endian. */
export const frameBytes = 32

export const writeHeartbeat = ({ loopTickMillis, nowMillis, op, opsDone }: Heartbeat): Buffer => {
  const frame = Buffer.alloc(frameBytes)
  frame.writeUInt32LE(op, 0)
  frame.writeBigUInt64LE(BigInt(opsDone), 8)
  frame.writeBigUInt64LE(BigInt(Math.trunc(loopTickMillis)), 16)
  frame.writeBigUInt64LE(BigInt(Math.trunc(nowMillis)), 24)
  return frame
}

/** Cuts a byte stream into frames; a frame may come in pieces. */
export const makeHeartbeatReader = () => {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk: Buffer): ReadonlyArray<Heartbeat> => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const frames: Array<Heartbeat> = []
    let at = 0
    for (; bytes.length - at >= frameBytes; at += frameBytes) {
      frames.push({
        op: bytes.readUInt32LE(at),
        opsDone: Number(bytes.readBigUInt64LE(at + 8)),
        loopTickMillis: Number(bytes.readBigUInt64LE(at + 16)),
        nowMillis: Number(bytes.readBigUInt64LE(at + 24))
      })
    }
    rest = bytes.subarray(at)
    return frames
  }
}

/** The heartbeat's thread sends several frames a second; more time than this between two is a gap. */
const longestGapMillis = 1000

export interface HangJudge {
  readonly beat: (frame: Heartbeat) => void
  /** `elapsedMillis` since the last call, on the supervisor's monotonic clock; `intervalMillis` is what it should have been. */
  readonly judge: (elapsedMillis: number, intervalMillis: number) => Hang | undefined
  readonly last: () => Heartbeat | null
}

export const makeHangJudge = (policy: HangPolicy): HangJudge => {
  const millis = Duration.toMillis
  let last: Heartbeat | null = null
  let silentMillis = 0
  /** Time without any sign of progress, gaps left out. */
  let stillMillis = 0

  const moved = (frame: Heartbeat, before: Heartbeat) =>
    frame.op !== before.op || frame.opsDone !== before.opsDone || (frame.op === 0 && frame.loopTickMillis !== before.loopTickMillis)

  return {
    last: () => last,
    beat: (frame) => {
      silentMillis = 0
      if (last === null || moved(frame, last)) stillMillis = 0
      else stillMillis += Math.min(frame.nowMillis - last.nowMillis, longestGapMillis)
      last = frame
    },
    judge: (elapsedMillis, intervalMillis) => {
      silentMillis += Math.min(elapsedMillis, 2 * intervalMillis)
      const op = last?.op ?? 0
      if (silentMillis > millis(last === null ? policy.startup : policy.silence)) return { kind: "silent", op, seconds: silentMillis / 1000 }
      if (last === null) return undefined
      const limit = op === 0 ? policy.loopBlocked() : policy.opDeadline(op)
      return stillMillis > millis(limit) ? { kind: op === 0 ? "loop blocked" : "op stuck", op, seconds: stillMillis / 1000 } : undefined
    }
  }
}
