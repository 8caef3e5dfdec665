/**
 * Every error on the terminal, in the way of good compilers:
 *
 *     error: unknown key `perceptual_wieght`
 *       --> configs/ablation_lpips.yaml:31:5
 *        |     perceptual_wieght: 0.5
 *        = help: did you mean `perceptual_weight`?
 *
 * Typed errors bring a lower-case `message` (its later lines are shown as they are), and, where they have them, `help` or `hint`,
 * `help` lines within the message, and an `exitCode`. Anything else is a defect: its stack trace is shown only on request.
 */
import { errors as explained } from "./explanations.ts"
import { harmless, type Paint } from "./terminal.ts"

interface Told {
  readonly message: string
  readonly help: ReadonlyArray<string>
  /** The last words of a process that ended. */
  readonly stderr: ReadonlyArray<string>
  readonly exitCode: number
  /** An error that the program means to give, as opposed to a bug. */
  readonly typed: boolean
  /** What `rae explain` knows it by; null where it has nothing to add. */
  readonly code: string | null
}

const field = (error: object, name: string): unknown => (error as Readonly<Record<string, unknown>>)[name]
const texts = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string" && value !== "" ? [value] : Array.isArray(value) ? value.filter((each) => typeof each === "string") : []

/** What errors without a code of their own exit with: 2 for wrong input, as it is found out after start. */
const exitCodes: Readonly<Record<string, number>> = {
  ConfigInvalid: 2, InvalidWeights: 2, InvalidImages: 2, InvalidData: 2, NoDevice: 2, RunInUse: 2, NotRunning: 3, CheckpointNotFound: 4
}

const lastWords = 10

export const tell = (error: unknown): Told => {
  if (typeof error !== "object" || error === null) return { message: String(error), help: [], stderr: [], exitCode: 1, typed: false, code: null }
  const tag = field(error, "_tag") ?? (error instanceof Error && error.name === "TensorError" ? "TensorError" : undefined)
  const code = field(error, "exitCode")
  const message = texts(field(error, "message"))[0] ?? (typeof tag === "string" ? tag : String(error))
  const op = tag === "TensorError" ? texts(field(error, "op"))[0] : undefined
  return {
    message: op === undefined || message.startsWith(op) ? message : `${op}: ${message}`,
    help: [...texts(field(error, "help")), ...texts(field(error, "hint"))].filter((help) => !message.includes(help)),
    stderr: texts(field(error, "stderr")).slice(-lastWords),
    exitCode: typeof code === "number" ? code : (typeof tag === "string" ? exitCodes[tag] : undefined) ?? 1,
    typed: typeof tag === "string",
    // A mistyped command says all that there is to say.
    code: typeof tag === "string" && tag in explained && tag !== "UsageError" ? tag : null
  }
}

/** A message may hold several errors: each of them starts as the first does. */
const paintLine = (line: string, paint: Paint): string =>
  line.replace(/^error: (.*)$/, (_, first: string) => headline(first, paint)).replace(/^(\s*)(-->|\||=)(?= )/, (_, indent: string, mark: string) => indent + paint("cyan", mark)).replace(/(\s)(\^+)$/, (_, blank: string, carets: string) => blank + paint("red", carets))

const headline = (text: string, paint: Paint): string => `${paint("red", paint("bold", "error:"))} ${paint("bold", text)}`

/** Lines for standard error. */
export const renderError = (error: unknown, paint: Paint, trace: boolean): ReadonlyArray<string> => {
  const { code: known, help, message, stderr, typed } = tell(error)
  // Names of files, and the last words of a process that may have been fed anything, are in it.
  const [first = "", ...rest] = message.replace(/^error: /, "").trimEnd().split("\n").map(harmless)
  const stack = error instanceof Error ? (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)) : []
  return [
    headline(typed ? first : `internal error: ${first}`, paint),
    ...rest.map((line) => paintLine(line, paint)),
    ...stderr.map((line) => `  ${paint("cyan", "|")} ${harmless(line)}`),
    ...help.map((each) => `  ${paint("cyan", "=")} ${paint("bold", "help:")} ${harmless(each)}`),
    ...(known === null ? [] : [`  ${paint("cyan", "=")} ${paint("bold", "more:")} rae explain ${known}`]),
    ...(trace ? stack : typed ? [] : [`  ${paint("cyan", "=")} ${paint("bold", "help:")} this is a bug; RAE_DEBUG=1 shows where`])
  ]
}
