/** What answers at once loads little: commands that people and scripts call often reach neither Effect nor YAML before they need it, and never the addon. */
import { assert, it } from "vitest"
import { readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const importPattern = /^\s*(?:import|export)\s(?!type\s)[^"';]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"/gm

/** Packages that a file loads with itself; what a body loads later with `import()` does not count. */
const packagesOf = (entry: string): ReadonlyMap<string, string> => {
  const packages = new Map<string, string>()
  const seen = new Set<string>()
  const visit = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const match of readFileSync(join(root, file), "utf8").matchAll(importPattern)) {
      const to = match[1] ?? match[2] ?? ""
      if (to.startsWith(".")) {
        if (to.endsWith(".ts")) visit(relative(root, resolve(root, dirname(file), to)))
      } else if (!to.startsWith("node:")) packages.set(to, file)
    }
  }
  visit(entry)
  assert.isAbove(seen.size, 1)
  return packages
}

for (const entry of ["main", "status", "events", "runs-list", "steer", "stop", "explain", "completion"]) {
  it(`rae ${entry}: no package at all`, () => {
    assert.deepStrictEqual([...packagesOf(`src/cli/${entry}.ts`)], [])
  })
}
