/** Errors on the terminal: the shape of a compiler's, from whatever carries a message. */
import { assert, describe, expect, it } from "vitest"
import { renderError, tell } from "../src/cli/errors.ts"
import { colourful, plain } from "../src/cli/terminal.ts"
import { UsageError } from "../src/cli/usage-error.ts"

const tagged = (tag: string, message: string, more: object = {}) => Object.assign(new Error(message), { _tag: tag, ...more })
const lines = (error: unknown, trace = false) => renderError(error, plain, trace)

describe("errors", () => {
  it("show place, line and help", () => {
    const error = tagged("ConfigInvalid", "unknown key `perceptual_wieght`\n  --> configs/ablation_lpips.yaml:31:5\n   |     perceptual_wieght: 0.5\n   |     ^^^^^^^^^^^^^^^^^", {
      help: "did you mean `perceptual_weight`?"
    })
    expect(`\n${lines(error).join("\n")}\n`).toMatchInlineSnapshot(`
      "
      error: unknown key \`perceptual_wieght\`
        --> configs/ablation_lpips.yaml:31:5
         |     perceptual_wieght: 0.5
         |     ^^^^^^^^^^^^^^^^^
        = help: did you mean \`perceptual_weight\`?
        = more: rae explain ConfigInvalid
      "
    `)
    assert.strictEqual(tell(error).exitCode, 2)
  })

  it("say a help once, wherever it stands", () => {
    assert.deepStrictEqual(lines(tagged("Refused", "no\n  = help: say please", { help: "say please" })), ["error: no", "  = help: say please", "  = more: rae explain Refused"])
    assert.deepStrictEqual(lines(tagged("Refused", "no", { hint: "say please" })), ["error: no", "  = help: say please", "  = more: rae explain Refused"])
  })

  it("name the operation of a tensor error", () => {
    const error = Object.assign(new Error("shapes [2,3] and [4] do not fit"), { name: "TensorError", code: "shape", op: "matmul" })
    assert.deepStrictEqual(lines(error), ["error: matmul: shapes [2,3] and [4] do not fit"])
  })

  it("show the last words of a process that ended", () => {
    assert.deepStrictEqual(lines(tagged("ChildExited", "engine ended with code 1", { stderr: ["cannot open shared object"] })), ["error: engine ended with code 1", "  | cannot open shared object", "  = more: rae explain ChildExited"])
  })

  it("never steer the terminal, whatever a process or a file had in it", () => {
    const escape = "\x1b[2J\x1b]0;owned\x07\x9b31m"
    const error = tagged("ChildExited", `engine ended\n  --> ${escape}.yaml:1:2`, { stderr: [`a\tb${escape}`], help: `rm ${escape}` })
    const shown = lines(error)
    assert.lengthOf(shown, 5)
    // oxlint-disable-next-line no-control-regex
    for (const line of shown) assert.notMatch(line, /[\x00-\x1f\x7f-\x9f]/)
    assert.strictEqual(shown[2], "  | a b\ufffd[2J\ufffd]0;owned\ufffd\ufffd31m")
  })

  it("carry their exit code; usage is 2, anything else 1", () => {
    assert.strictEqual(tell(new UsageError("wrong")).exitCode, 2)
    assert.strictEqual(tell(tagged("GaveUp", "x", { exitCode: 5 })).exitCode, 5)
    assert.strictEqual(tell(tagged("Unknown", "x")).exitCode, 1)
    assert.strictEqual(tell("text").exitCode, 1)
  })

  it("of no type are bugs: the trace on request alone", () => {
    const bug = new TypeError("x is not a function")
    assert.deepStrictEqual(lines(bug), ["error: internal error: x is not a function", "  = help: this is a bug; RAE_DEBUG=1 shows where"])
    const traced = lines(bug, true)
    assert.isAbove(traced.length, 1)
    assert.match(traced[1] ?? "", /^\s+at .*cli-errors\.test\.ts/)
  })

  it("use colour beside words, never instead", () => {
    const error = tagged("ConfigInvalid", "bad\n  --> a.yaml:1:2\n   | x\n   | ^")
    // oxlint-disable-next-line no-control-regex
    assert.deepStrictEqual(renderError(error, colourful, false).map((line) => line.replace(/\x1b\[\d+m/g, "")), lines(error))
  })
})
