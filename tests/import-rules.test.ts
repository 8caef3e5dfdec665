/** Who may import whom (docs/architecture.md): downwards only, one importer of the addon, nothing native in the CLI and the supervisor. */
import { assert, describe, it } from "vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const sources = ["src", "actors"].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name))))

const importPattern = /^\s*(?:import|export)\s[^"';]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|import\("([^"]+)"\)/gm
const typeOnly = /^\s*(?:import|export)\s+type\s/
interface Import { readonly from: string; readonly to: string; readonly type: boolean }
const imports: ReadonlyArray<Import> = sources.flatMap((from) => {
  const text = readFileSync(join(root, from), "utf8")
  return [...text.matchAll(importPattern)].map((match) => {
    const to = match[1] ?? match[2] ?? match[3] ?? ""
    return { from, to: to.startsWith(".") ? relative(root, resolve(root, dirname(from), to)) : to, type: typeOnly.test(match[0].trimStart()) }
  })
})

/** The folder that a file belongs to: `src/tensor`, `actors`. */
const layer = (file: string) => file.startsWith("actors/") ? "actors" : file.split("/").slice(0, 2).join("/")

/** What each layer may import besides itself and packages. */
const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  "src/random": [],
  "src/formats": [],
  "src/runtime": ["src/formats"],
  "src/config": ["src/formats"],
  "src/tensor": ["src/formats"],
  "src/checkpoint": ["src/formats"],
  "src/nn": ["src/tensor"],
  "src/models": ["src/tensor", "src/nn", "src/random", "src/config"],
  "src/losses": ["src/tensor", "src/nn", "src/models"],
  "src/data": ["src/formats", "src/random"],
  "src/train": ["src/tensor", "src/nn", "src/models", "src/losses", "src/random"],
  "src/eval": ["src/tensor", "src/nn", "src/models", "src/losses", "src/data", "src/train"],
  actors: ["src/random", "src/formats", "src/runtime", "src/config", "src/tensor", "src/checkpoint", "src/nn", "src/models", "src/losses", "src/data", "src/train", "src/eval"],
  "src/report": ["src/formats", "src/runtime"],
  "src/dashboard": ["src/report", "src/runtime"],
  "src/cli": ["actors", "src/config", "src/checkpoint", "src/runtime", "src/formats", "src/report", "src/dashboard"]
}

describe("import rules", () => {
  it("imports go downwards only", () => {
    const wrong = imports.filter(({ from, to }) => /^(src|actors)\//.test(to) && layer(to) !== layer(from) && !(mayImport[layer(from)] ?? []).includes(layer(to)))
    assert.deepStrictEqual(wrong.map(({ from, to }) => `${from} -> ${to}`), [])
  })

  it("one file loads the addon", () => {
    const loaders = sources.filter((file) => /\.node["'`]|process\.dlopen|createRequire/.test(readFileSync(join(root, file), "utf8")))
    assert.deepStrictEqual(loaders, ["src/tensor/native.ts"])
  })

  it("nothing that the CLI or the supervisor runs reaches the addon", () => {
    const reachable = new Set<string>()
    const visit = (file: string) => {
      if (reachable.has(file)) return
      reachable.add(file)
      for (const { from, to, type } of imports) if (from === file && !type && /^(src|actors)\//.test(to)) visit(to)
    }
    visit("src/cli/main.ts")
    assert.isAbove(reachable.size, 5)
    assert.deepStrictEqual([...reachable].filter((file) => layer(file) === "src/tensor"), [])
  })

  it("the step knows no Effect", () => {
    const wrong = imports.filter(({ from, to }) => (from.startsWith("src/train/") && (to === "effect" || to.startsWith("effect/"))))
    assert.deepStrictEqual(wrong.map(({ from, to }) => `${from} -> ${to}`), [])
  })
})
