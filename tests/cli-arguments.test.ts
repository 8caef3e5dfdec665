/** From words to commands and typed values; what wrong words are told. */
import { assert, describe, expect, it } from "vitest"
import { list, moment, oneOf, parse, text, toggle, whole } from "../src/cli/arguments.ts"
import { colorChoice, interpret, wantsTrace, type Invocation } from "../src/cli/invocation.ts"
import { mayColour, plain } from "../src/cli/terminal.ts"
import type { UsageError } from "../src/cli/usage-error.ts"

const flags = {
  json: toggle("JSON", "j"), data: text("DIR", "folder"), set: list("KEY=VALUE", "keys"), lines: whole("N", "lines", 1, "n"),
  level: oneOf(["info", "warn"], "level"), since: moment("TIME", "since")
}
const operand = { name: "CONFIG", help: "a file", required: true }
const parsed = (...words: ReadonlyArray<string>) => parse(words, flags, operand)
const refused = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    const { help, message } = error as UsageError
    return help === undefined ? message : `${message} | ${help}`
  }
  return "accepted"
}
const executes = (invocation: Invocation) => (invocation._tag === "Execute" ? `${invocation.command.name} ${invocation.input.operand ?? "-"}` : "print")

describe("values", () => {
  it("of every kind of flag, in any order, long, short and with =", () => {
    const { operand, values } = parsed("-n5", "--set", "a=1", "c.yaml", "--set=b=-2", "-j", "--level=warn", "--data", "x y")
    assert.strictEqual(operand, "c.yaml")
    assert.deepStrictEqual(values, { json: true, data: "x y", set: ["a=1", "b=-2"], lines: 5, level: "warn", since: undefined })
  })

  it("of flags left out", () => {
    assert.deepStrictEqual(parsed("c.yaml").values, { json: false, data: undefined, set: [], lines: undefined, level: undefined, since: undefined })
  })

  it("an operand that may be given more than once is", () => {
    assert.deepStrictEqual(parse(["a", "-j", "b"], flags, { ...operand, many: true }).operands, ["a", "b"])
    assert.throws(() => parsed("a", "b"), /unexpected argument `b`/)
  })

  it("after -- are operands", () => {
    assert.strictEqual(parsed("--", "--json").operand, "--json")
  })

  it("times ago and times", () => {
    const ago = parsed("c", "--since", "10m").values.since?.getTime() ?? 0
    assert.isBelow(Math.abs(Date.now() - 600_000 - ago), 5000)
    assert.strictEqual(parsed("c", "--since", "2026-01-31T12:00:00Z").values.since?.toISOString(), "2026-01-31T12:00:00.000Z")
  })

  it("refuses what does not fit", () => {
    const wrong = [
      [], ["c", "d"], ["c", "--jsno"], ["c", "--json=1"], ["c", "--data"], ["c", "--data", "--json"], ["c", "--data="], ["c", "-n", "0"], ["c", "-n", "1.5"],
      ["c", "--level", "loud"], ["c", "--since", "soon"], ["c", "-x"], ["c", "--completely-other"]
    ]
    expect(wrong.map((words) => `${words.join(" ")} => ${refused(() => parsed(...words))}`)).toMatchInlineSnapshot(`
      [
        " => missing CONFIG: a file",
        "c d => unexpected argument \`d\`",
        "c --jsno => unknown flag \`--jsno\` | did you mean \`--json\`?",
        "c --json=1 => \`--json\` takes no value, got \`1\`",
        "c --data => \`--data\` needs a value DIR",
        "c --data --json => \`--data\` needs a value DIR | if \`--json\` is the value, write --data=--json",
        "c --data= => \`--data\`: expected something, got \`\`",
        "c -n 0 => \`--lines\`: expected a whole number of at least 1, got \`0\`",
        "c -n 1.5 => \`--lines\`: expected a whole number of at least 1, got \`1.5\`",
        "c --level loud => \`--level\`: expected one of info, warn, got \`loud\`",
        "c --since soon => \`--since\`: expected a time span such as 10m, 2h, 1d or a time such as 2026-01-31T12:00:00Z, got \`soon\`",
        "c -x => unknown flag \`-x\`",
        "c --completely-other => unknown flag \`--completely-other\`",
      ]
    `)
  })
})

describe("commands", () => {
  it("are found before and after global flags", () => {
    assert.strictEqual(executes(interpret(["run", "c.yaml"], "1")), "run c.yaml")
    assert.strictEqual(executes(interpret(["--color", "never", "status"], "1")), "status -")
    assert.strictEqual(executes(interpret(["ckpt", "show", "photos", "--hash"], "1")), "show photos")
  })

  it("unknown or missing are told the nearest", () => {
    expect([["statsu"], ["ckpt", "vrify"], ["ckpt"], [], ["frobnicate"], ["--josn"]].map((words) => refused(() => interpret(words, "1")))).toMatchInlineSnapshot(`
      [
        "unknown command \`statsu\` | did you mean \`status\`?",
        "unknown command \`ckpt vrify\` | did you mean \`ckpt verify\`?",
        "missing command after \`ckpt\` | one of ls, show, verify, save, pin, prune, export, import",
        "missing command | rae --help lists the commands",
        "unknown command \`frobnicate\` | rae --help lists the commands",
        "unknown flag \`--josn\`",
      ]
    `)
  })

  it("help wins over what is missing", () => {
    for (const words of [["run", "--help"], ["help", "run"], ["run", "-h", "--whatever"]]) {
      const invocation = interpret(words, "1")
      assert.strictEqual(invocation._tag === "Print" && invocation.lines(plain)[2], "usage: rae run CONFIG [flags]")
    }
    assert.strictEqual(executes(interpret(["ckpt", "--help"], "1")), "print")
    assert.strictEqual(executes(interpret(["run", "--", "--help"], "1")), "run --help")
  })
})

describe("colour", () => {
  it("--color decides, then NO_COLOR and TERM, then the terminal", () => {
    assert.isTrue(mayColour("auto", {}, true))
    assert.isFalse(mayColour("auto", {}, false))
    assert.isFalse(mayColour("auto", { NO_COLOR: "1" }, true))
    assert.isTrue(mayColour("auto", { NO_COLOR: "" }, true))
    assert.isFalse(mayColour("auto", { TERM: "dumb" }, true))
    assert.isTrue(mayColour("always", { NO_COLOR: "1" }, false))
    assert.isFalse(mayColour("never", {}, true))
  })

  it("and --trace are known before the command line has been understood", () => {
    assert.strictEqual(colorChoice(["run", "--colr", "--color=never"]), "never")
    assert.strictEqual(colorChoice(["--color", "always"]), "always")
    assert.strictEqual(colorChoice(["--color"]), "auto")
    assert.isTrue(wantsTrace(["--trace"], {}))
    assert.isTrue(wantsTrace([], { RAE_DEBUG: "1" }))
    assert.isFalse(wantsTrace(["--", "--trace"], {}))
  })
})
