/** Names of reconstructions: those of their images, and one each, whatever the images are called. */
import { assert, it } from "vitest"
import { outputNames } from "../src/eval/reconstruction-names.ts"

it("keeps class folders, and gives images that share a name one each", () => {
  assert.deepStrictEqual(outputNames(["b/x.JPEG", "b/y.tar.png", "z"]), ["b/x.png", "b/y.tar.png", "z.png"])
  assert.deepStrictEqual(outputNames(["a.jpg", "a.png", "b/a.png"]), ["a.jpg.png", "a.png.png", "b/a.png"])
  // the way out is another image's own name
  assert.deepStrictEqual(outputNames(["a.jpg", "a.jpg.webp", "a.png"]), ["a.jpg-2.png", "a.jpg.png", "a.png.png"])
  // a folder has the name already
  assert.deepStrictEqual(outputNames(["a.jpg", "a.png/b.jpg"]), ["a.jpg.png", "a.png/b.png"])
})
