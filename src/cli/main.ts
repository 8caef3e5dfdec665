/** `rae`: reads the command line, loads the one command that it names, and turns what comes of it into lines and an exit code. */
import packageJson from "../../package.json" with { type: "json" }
import { renderError, tell } from "./errors.ts"
import { colorChoice, interpret, wantsTrace } from "./invocation.ts"
import { processTerminal } from "./terminal.ts"

const words = process.argv.slice(2)
const terminal = processTerminal(colorChoice(words))

let outlivesReader = false
const onWriteError = (error: NodeJS.ErrnoException) => {
  if (!outlivesReader) process.exit(error.code === "EPIPE" ? 0 : 1)
}
process.stdout.on("error", onWriteError)
process.stderr.on("error", onWriteError)

const main = async (): Promise<number> => {
  try {
    const invocation = interpret(words, packageJson.version)
    if (invocation._tag === "Print") {
      for (const line of invocation.lines(terminal.paintOut)) terminal.out(line)
      return 0
    }
    outlivesReader = invocation.command.outlivesReader
    return await invocation.command.execute(invocation.input, terminal)
  } catch (error) {
    for (const line of renderError(error, terminal.paintErr, wantsTrace(words, process.env))) terminal.err(line)
    return tell(error).exitCode
  }
}

process.exit(await main())
