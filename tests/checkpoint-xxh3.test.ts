import { assert, describe, it } from "vitest"
import { hashBytes } from "../src/checkpoint/xxh3.ts"

/** Printed by a C program over xxhash.h 0.8: `XXH3_128bits` of the first n bytes of b[i] = i * 31, high 64 bits first. */
const vectors = {
  0: "99aa06d3014798d86001c324468d497f", 1: "a6cd5e9392000f6ac44bdff4074eecdb", 3: "4af3603b5bd30dfe3698b80191e625f9",
  8: "791e22cdc30880ba073a25812fe4f600", 16: "8d0b1cd2088b9620843f49fff931d541", 17: "340f6f9202ad1131a378e80882221151",
  128: "9ac3a2d505dc8bbaffb5b9abed8b314d", 129: "4f3f783d604d0184c83022477e6bf25a", 240: "550b8ce07c44bc98c018ce69a32b5a7c",
  241: "8e7e1f2fe4156df918773c512b008a63", 1024: "65165ebd1d6233bf4986ea1c273817c6", 1025: "8cbc340903ac3d457775793e9ae60f68",
  100000: "8caf37b280b5a9be68ebefe8fa7c5395"
}

describe("XXH3-128", () => {
  it("is that of xxhash.h at every length class", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) & 0xff)
    const got = Object.fromEntries(Object.keys(vectors).map((n) => [n, hashBytes(bytes.subarray(0, Number(n)))]))
    assert.deepStrictEqual(got, Object.fromEntries(Object.entries(vectors)))
  })
})
