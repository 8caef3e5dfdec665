/** A terminal that remembers what was said, and commands called on it as they are typed. */
import { assert } from "vitest"
import { interpret } from "../src/cli/invocation.ts"
import { plain, type Terminal } from "../src/cli/terminal.ts"

export interface Said {
  readonly code: number
  readonly out: ReadonlyArray<string>
  readonly err: ReadonlyArray<string>
}

/** Plain lines: no colours, nothing live. */
export const collectingTerminal = (columns = 10_000) => {
  const out: Array<string> = []
  const err: Array<string> = []
  const terminal: Terminal = {
    out: (line) => void out.push(line), err: (line) => void err.push(line), control: () => assert.fail("control codes where there is no terminal"), paintOut: plain, paintErr: plain,
    live: false, outIsTerminal: false, outColumns: () => columns, errColumns: () => columns, errRows: () => 24, onResize: () => () => {}
  }
  return { terminal, out, err }
}

export const say = async (words: ReadonlyArray<string>, columns?: number): Promise<Said> => {
  const invocation = interpret(words, "0.1.0")
  assert(invocation._tag === "Execute")
  const { err, out, terminal } = collectingTerminal(columns)
  const code = await invocation.command.execute(invocation.input, terminal)
  return { code, out, err }
}

