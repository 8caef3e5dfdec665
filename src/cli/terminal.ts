/** Where a command writes: data to `out`, everything else to `err`; what the terminal can show; colours. */

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan"
export type Paint = (style: Style, text: string) => string

const codes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39]
}
export const plain: Paint = (_, text) => text
export const colourful: Paint = (style, text) => `\x1b[${codes[style][0]}m${text}\x1b[${codes[style][1]}m`

/** Text from files and other programs as one harmless line: what would steer a terminal is shown as `\ufffd`. */
export const harmless = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => (character === "\n" ? "; " : character === "\t" ? " " : "\ufffd"))

export interface Terminal {
  /** Whole lines; the newline is added. */
  readonly out: (line: string) => void
  readonly err: (line: string) => void
  /** Raw text to standard error, for the live view alone. */
  readonly control: (text: string) => void
  readonly paintOut: Paint
  readonly paintErr: Paint
  /** Standard error can move its cursor: a live view makes sense. */
  readonly live: boolean
  readonly outIsTerminal: boolean
  readonly outColumns: () => number
  readonly errColumns: () => number
  readonly errRows: () => number
  readonly onResize: (handler: () => void) => () => void
}

export type ColorChoice = "auto" | "always" | "never"

/** `--color` decides, then NO_COLOR, then whether it is a terminal that knows colours. */
export const mayColour = (choice: ColorChoice, env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean =>
  choice === "always" || (choice === "auto" && isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb")

/** Columns of text that is not on a terminal: nothing is cut there. */
const unbounded = 10_000

export const processTerminal = (choice: ColorChoice): Terminal => {
  const { env, stderr, stdout } = process
  const paint = (isTerminal: boolean) => (mayColour(choice, env, isTerminal) ? colourful : plain)
  return {
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
    control: (text) => void stderr.write(text),
    paintOut: paint(stdout.isTTY),
    paintErr: paint(stderr.isTTY),
    live: stderr.isTTY && env["TERM"] !== "dumb",
    outIsTerminal: stdout.isTTY,
    outColumns: () => (stdout.isTTY ? stdout.columns || 80 : unbounded),
    errColumns: () => stderr.columns || 80,
    errRows: () => stderr.rows || 24,
    onResize: (handler) => {
      stderr.on("resize", handler)
      return () => void stderr.off("resize", handler)
    }
  }
}
