/** Shell completion: bash's script completes in a real bash; zsh's and fish's name every command and pass their shell's syntax check where it is installed. */
import { assert, it } from "vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { commands } from "../src/cli/commands.ts"
import { say } from "./cli-collecting-terminal.ts"

const script = async (shell: string) => (await say(["completion", shell])).out.join("\n")
const every = commands.flatMap((each) => ("commands" in each ? [each.name].concat(each.commands.map(({ name }) => name)) : [each.name]))

it("completes commands, flags, choices and runs in bash", async () => {
  const runs = mkdtempSync(join(tmpdir(), "rae-completion-"))
  try {
    for (const run of ["photos", "photos/a", "study"]) {
      mkdirSync(join(runs, run), { recursive: true })
      writeFileSync(join(runs, run, "run.json"), "{}")
    }
    const completing = await script("bash")
    const complete = (...words: ReadonlyArray<string>) => {
      const quoted = words.map((word) => `'${word}'`).join(" ")
      const { stderr, stdout } = spawnSync("bash", ["-c", `${completing}\nCOMP_WORDS=(rae ${quoted}); COMP_CWORD=${words.length}; _rae; printf '%s\\n' "\${COMPREPLY[@]}"`], { encoding: "utf8", env: { ...process.env, RAE_RUNS_DIR: runs } })
      assert.strictEqual(stderr, "")
      return stdout.trim().split("\n").filter((word) => word !== "")
    }
    assert.deepStrictEqual(complete("st"), ["status", "stop", "stats"])
    assert.deepStrictEqual(complete("ckpt", "pr"), ["prune"])
    assert.deepStrictEqual(complete("status", "p"), ["photos", "photos/a"])
    assert.deepStrictEqual(complete("events", "--le"), ["--level"])
    assert.deepStrictEqual(complete("events", "--level", "w"), ["warn"])
    assert.deepStrictEqual(complete("inject", "engine-k"), ["engine-kill"])
    assert.deepStrictEqual(complete("restart", "generator", "--run", "st"), ["study"])
    assert.deepStrictEqual(complete("explain", "exit"), ["exit-codes"])
  } finally {
    rmSync(runs, { recursive: true })
  }
})

for (const shell of ["zsh", "fish"]) {
  it(`names every command in ${shell}`, async () => {
    const completing = await script(shell)
    assert.deepStrictEqual(every.filter((name) => !completing.includes(name)), [])
    if (spawnSync(shell, ["--version"]).error !== undefined) return console.log(`no ${shell} here: its syntax is not checked`)
    const dir = mkdtempSync(join(tmpdir(), "rae-completion-"))
    try {
      writeFileSync(join(dir, "script"), completing)
      const { status, stderr } = spawnSync(shell, ["-n", join(dir, "script")], { encoding: "utf8" })
      assert.deepStrictEqual([status, stderr], [0, ""])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
}
