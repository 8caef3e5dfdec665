/** `rae explain`: every error that ends a command has a cause and a cure; topics, exit codes and events are found. */
import { assert, it } from "vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { errors, topics } from "../src/cli/explanations.ts"
import { say } from "./cli-collecting-terminal.ts"

const root = resolve(import.meta.dirname, "..")
const sources = ["src", "actors"].flatMap((top) => readdirSync(join(root, top), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).map((file) => readFileSync(join(root, top, file), "utf8")))

it("explains every error that has an exit code or a help of its own, and those that have one by name", () => {
  const declared = sources.flatMap((text) => [...text.matchAll(/export class (\w+) extends [^\n]*\n(?:(?! {0,2}\}\n)[^\n]*\n)*?\s+readonly (?:exitCode|help)\b/g)].map((match) => match[1] ?? ""))
  const byName = [...(/const exitCodes[^{]*\{([^}]*)\}/.exec(readFileSync(join(root, "src/cli/errors.ts"), "utf8"))?.[1] ?? "").matchAll(/(\w+): \d/g)].map((match) => match[1] ?? "")
  assert.includeMembers(declared, ["ConfigChanged", "NoSuchRun", "DiskTooSmall"])
  assert.includeMembers(byName, ["ConfigInvalid", "NotRunning"])
  assert.deepStrictEqual([...new Set([...declared, ...byName])].filter((name) => !(name in errors)), [])
})

it("finds errors whatever their case, exit codes, events; says what was probably meant", async () => {
  assert.match((await say(["explain", "diskfull"])).out[0] ?? "", /^DiskFull: /)
  assert.match((await say(["explain", "5"])).out.join("\n"), /^ {2}5 +gave up restarting/m)
  assert.match((await say(["explain", "checkpoint.failed"])).out[0] ?? "", /^checkpoint\.failed: a checkpoint could not be written/)
  assert.match((await say(["help", "exit-codes"])).out[0] ?? "", /exit code/)
  const all = (await say(["explain"])).out.join("\n")
  for (const name of [...Object.keys(errors), ...Object.keys(topics)]) assert.include(all, name)
  const error = await say(["explain", "DiskFul"]).catch((cause: unknown) => cause)
  assert.deepInclude(error, { _tag: "UsageError", help: "did you mean `DiskFull`?" })
})
