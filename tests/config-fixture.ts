/** Writes configurations into a folder of their own and gives the text of the error that they lead to. */
import { afterAll, assert, beforeEach } from "vitest"
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { loadStudy, type LoadOptions } from "../src/config/load.ts"
import { ConfigInvalid } from "../src/config/problem.ts"

const checkout = resolve(import.meta.dirname, "..")
export const root = mkdtempSync(join(tmpdir(), "rae-config-"))
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => {
  rmSync(root, { recursive: true })
  mkdirSync(root)
  // the width of a path decides how many carets are under it: the checkout may lie anywhere
  symlinkSync(join(checkout, "configs"), join(root, "configs"))
})

/** BASE in a text stands for the path of configs/base.yaml. */
export const write = (files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text.replaceAll("BASE", join(root, "configs/base.yaml")))
  }
}

/** The error's text, with places relative to the folder and the checkout. */
export const errorOf = async (load: Effect.Effect<unknown, ConfigInvalid>) => {
  const error = await Effect.runPromise(Effect.flip(load))
  assert.instanceOf(error, ConfigInvalid)
  return `\n${error.message.replaceAll(`${root}/`, "").replaceAll(`${checkout}/`, "")}\n`
}
export const failing = (text: string, options: LoadOptions = {}) => {
  write({ "run.yaml": text })
  return errorOf(loadStudy(join(root, "run.yaml"), options))
}
export const failingSet = (...sets: ReadonlyArray<string>) => failing("extends: BASE\n", { profile: "tiny", sets })
