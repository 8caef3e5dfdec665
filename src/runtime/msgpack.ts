/**
 * Effect RPC over a pipe: length-prefixed msgpack frames, with Schema's JSON codec for what they carry (NaN included).
 *
 * The accelerator is switched off before msgpackr loads: the supervisor must load nothing native.
 */
import "./no-accelerator.ts"
import * as Data from "effect/Data"
import * as Layer from "effect/Layer"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import { Packr } from "msgpackr"

const headerBytes = 4
/** Messages are orders and figures, never tensors; a longer frame is a stream out of step. */
const maxFrameBytes = 64 * 1024 * 1024

export class FrameTooLong extends Data.TaggedError("FrameTooLong")<{ readonly bytes: number }> {
  override get message() {
    return `frame of ${this.bytes} bytes, at most ${maxFrameBytes} expected: the stream is corrupt`
  }
}

const makeParser = (): RpcSerialization.Parser => {
  const packr = new Packr({ useRecords: false })
  let chunks: Array<Buffer> = []
  let buffered = 0

  const frame = (message: unknown) => {
    const body = packr.pack(message)
    const header = Buffer.allocUnsafe(headerBytes)
    header.writeUInt32LE(body.length)
    return [header, body]
  }
  const joined = () => {
    const all = chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks)
    chunks = [all]
    return all
  }

  return {
    encode: (message) => {
      const frames = (Array.isArray(message) ? message : [message]).flatMap(frame)
      return frames.length === 0 ? undefined : Buffer.concat(frames)
    },
    decode: (data) => {
      const chunk = typeof data === "string" ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      chunks.push(chunk)
      buffered += chunk.length
      const messages: Array<unknown> = []
      while (buffered >= headerBytes) {
        // joined only when a whole frame is there, so that a long one is not copied once a chunk
        const size = (chunks[0] as Buffer).length >= headerBytes ? (chunks[0] as Buffer).readUInt32LE() : joined().readUInt32LE()
        if (size > maxFrameBytes) throw new FrameTooLong({ bytes: size })
        if (buffered < headerBytes + size) break
        const all = joined()
        messages.push(packr.unpack(all.subarray(headerBytes, headerBytes + size)))
        buffered -= headerBytes + size
        chunks = buffered === 0 ? [] : [all.subarray(headerBytes + size)]
      }
      return messages
    }
  }
}

export const msgpack: RpcSerialization.RpcSerialization["Service"] = RpcSerialization.RpcSerialization.of({
  contentType: "application/msgpack",
  includesFraming: true,
  codecFor: Schema.toCodecJson as RpcSerialization.CodecFor,
  makeUnsafe: makeParser
})

export const layerMsgpack: Layer.Layer<RpcSerialization.RpcSerialization> = Layer.succeed(RpcSerialization.RpcSerialization)(msgpack)
