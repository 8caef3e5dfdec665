#!/usr/bin/env node
/** Writes docs/configs.md from the schema: `node scripts/config-docs.ts`. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { flatten, keysOf, type SchemaKey } from "../src/config/schema-keys.ts"
import { ConfigFile } from "../src/config/schema.ts"

const introduction = `# Configuration

<!-- Written by scripts/config-docs.ts from src/config/schema.ts: change it there. -->

A run is described by one YAML file. Its keys are those of the published PyTorch implementation of the method (\`stage_1\`, \`training\`, \`gan\`, \`eval\`),
and blocks of our own beside them. Only keys marked **required** must be stated. An unknown, missing or mistyped key is an error that
points to file, line and column.

Besides the keys below, a file may have:

- \`extends: FILE\`: what FILE (relative to this file) says holds where this one says nothing; maps merge key by key, lists and values replace.
- \`profiles: { NAME: {…} }\`: overrides that \`--profile NAME\` lays over the file. \`configs/base.yaml\` has \`paper\` (the published size) and \`tiny\`
  (two cores, random weights, drawn pictures).
- \`study: { variants: { NAME: {…} } }\`: one run per variant, each with its overrides. A file's own variants replace those of the file that it extends.

Overrides may be nested or dotted: \`gan.loss.disc_weight: 0\` is \`gan: { loss: { disc_weight: 0 } }\`. Later layers win:
extended file, file, profile, variant, \`--set key=value\` (the value is YAML; \`--data DIR\` is \`--set data.path=DIR\`).

Relative paths and Hub names are looked for in the working directory, then in the checkout, in each also under \`models/\`; then under
\`--models-dir DIR\` (\`weights.models_dir\`), then in the Hub's cache (\`HF_HUB_CACHE\`, \`HF_HOME\`). Nothing is ever fetched. Weights may be safetensors, a
sharded set with its index, or PyTorch files of either format; a training checkpoint's averaged weights (\`ema\`) are taken before its others.
Published configs run as they are. What a published key cannot mean here is said when a run starts.
`

const valueOf = (value: unknown): string => value === undefined ? "" : `\`${JSON.stringify(value).replaceAll(",", ", ")}\``
const cell = (text: string) => text.replaceAll("|", "\\|")

const row = ({ path, expected, required, byDefault, unit = "", description }: SchemaKey, under: number): string =>
  `| \`${path.slice(under).join(".")}\` | ${cell(expected)} | ${required ? "**required**" : valueOf(byDefault)} | ${unit} | ${cell(description)} |`

/** One table a block; blocks inside it have their own when they are not single keys. */
const section = (block: SchemaKey, level: number): string => {
  const own = block.children.filter(({ children }) => children.length === 0)
  const inner = block.children.filter(({ children }) => children.length > 0)
  const note = block.byDefault === null ? " Null, where it is left out." : ""
  return [
    `${"#".repeat(level)} \`${block.path.join(".")}\``,
    "",
    `${block.description.charAt(0).toUpperCase()}${block.description.slice(1)}.${note}`,
    "",
    ...(own.length === 0 ? [] : ["| key | value | default | unit | meaning |", "|---|---|---|---|---|", ...own.map((key) => row(key, block.path.length)), ""]),
    ...inner.map((child) => section(child, Math.min(level + 1, 4)))
  ].join("\n")
}

export const configDocs = (): string => {
  const keys = keysOf(ConfigFile.ast)
  const count = flatten(keys).filter(({ children }) => children.length === 0).length
  return [introduction, `${count} keys in all.\n`, ...keys.map((block) => section(block, 2))].join("\n").trimEnd() + "\n"
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../docs/configs.md"), configDocs())
