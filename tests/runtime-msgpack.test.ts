/** Frames on the pipe between supervisor and engine. */
import { assert, describe, it } from "@effect/vitest"
import { FrameTooLong, msgpack } from "../src/runtime/msgpack.ts"
import { isDeepStrictEqual } from "node:util"
import { isNativeAccelerationEnabled } from "msgpackr" // after ours, which switches the accelerator off

const messages = [{ a: 1, text: "ä" }, null, [1, 2.5, true], "x".repeat(300_000), { nested: { list: Array.from({ length: 1000 }, (_, n) => n) } }]

describe("msgpack frames", () => {
  it("load nothing native", () => assert.isFalse(isNativeAccelerationEnabled))

  it("survive any cut of the stream", () => {
    const bytes = messages.map((message) => msgpack.makeUnsafe().encode(message === null ? [null] : Array.isArray(message) ? [message] : message) as Uint8Array)
    const stream = Buffer.concat(bytes)
    for (const size of [1000, 4096, 65_537, stream.length]) {
      const parser = msgpack.makeUnsafe()
      const found = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) => parser.decode(stream.subarray(i * size, (i + 1) * size))).flat()
      assert.isTrue(isDeepStrictEqual(found, messages), `pieces of ${size}`)
    }
    const parser = msgpack.makeUnsafe()
    const found = Array.from(stream.subarray(0, 200), (byte) => parser.decode(Uint8Array.of(byte))).flat()
    assert.deepStrictEqual(found, messages.slice(0, 3))
  })

  it("send several messages at once, and nothing for none", () => {
    const parser = msgpack.makeUnsafe()
    assert.deepStrictEqual(parser.decode(parser.encode([1, 2, 3]) as Uint8Array), [1, 2, 3])
    assert.isUndefined(parser.encode([]))
  })

  it("refuse a length that only a broken stream can have", () => {
    assert.throws(() => msgpack.makeUnsafe().decode(Buffer.from([0xff, 0xff, 0xff, 0x7f, 0])), FrameTooLong)
  })
})
