/**
 * Flags as data, and the typed values that a command line gives them.
 *
 * Not effect/cli: loading it takes 0.28 s on two cores, and `rae status` has 0.3 s from the prompt to the answer. Splitting the
 * words is node:util's; names, values and what to say about wrong ones are here.
 */
import { parseArgs } from "node:util"
import { nearest } from "../config/nearest.ts"
import { UsageError } from "./usage-error.ts"

export interface Flag<A> {
  readonly takes: "nothing" | "one" | "many"
  /** What stands for the value in the help: `DIR`, `a|b`. */
  readonly metavar: string
  readonly help: string
  readonly alias?: string
  /** From the texts that were given, none to many; throws `expected …`. */
  readonly read: (given: ReadonlyArray<string>) => A
}
export type Flags = Readonly<Record<string, Flag<unknown>>>
export type Values<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer A> ? A : never }

/** A value that does not fit its flag; `parse` adds the flag's name and what was given. */
class Misfit extends Error {}

const last = <A>(read: (text: string) => A) => (given: ReadonlyArray<string>): A | undefined => {
  const text = given.at(-1)
  return text === undefined ? undefined : read(text)
}

export const toggle = (help: string, alias?: string): Flag<boolean> =>
  ({ takes: "nothing", metavar: "", help, ...(alias === undefined ? {} : { alias }), read: (given) => given.length > 0 })
export const text = (metavar: string, help: string, alias?: string): Flag<string | undefined> =>
  ({ takes: "one", metavar, help, ...(alias === undefined ? {} : { alias }), read: last((value) => { if (value === "") throw new Misfit("something"); return value }) })
export const list = (metavar: string, help: string): Flag<ReadonlyArray<string>> => ({ takes: "many", metavar, help, read: (given) => given })
export const whole = (metavar: string, help: string, least: number, alias?: string): Flag<number | undefined> => ({
  takes: "one", metavar, help, ...(alias === undefined ? {} : { alias }),
  read: last((value) => {
    const n = Number(value)
    if (!/^\d+$/.test(value) || !Number.isSafeInteger(n) || n < least) throw new Misfit(`a whole number of at least ${least}`)
    return n
  })
})
export const oneOf = <const C extends ReadonlyArray<string>>(choices: C, help: string): Flag<C[number] | undefined> => ({
  takes: "one", metavar: choices.join("|"), help,
  read: last((value) => {
    if (!choices.includes(value)) throw new Misfit(`one of ${choices.join(", ")}`)
    return value
  })
})
const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
/** `10m`, `2h` ago, or a time that Date understands; as a Date. */
export const moment = (metavar: string, help: string): Flag<Date | undefined> => ({
  takes: "one", metavar, help,
  read: last((value) => {
    const ago = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(value)
    const at = ago ? Date.now() - Number(ago[1]) * (unitSeconds[ago[2] ?? "s"] ?? 1) * 1000 : /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN
    if (Number.isNaN(at)) throw new Misfit("a time span such as 10m, 2h, 1d or a time such as 2026-01-31T12:00:00Z")
    return new Date(at)
  })
})

export interface Operand {
  readonly name: string
  readonly help: string
  readonly required: boolean
  /** It may be given more than once. */
  readonly many?: boolean
  /** What the shell can complete it with; files where nothing is said. */
  readonly completes?: "run" | "fault" | "topic" | "shell"
}

/** Values of all flags, and the operand if the command has one: the first of `operands`, which are more than one only where it takes many. */
export interface Parsed<F extends Flags> {
  readonly values: Values<F>
  readonly operand: string | undefined
  readonly operands: ReadonlyArray<string>
}

const option = (flag: Flag<unknown>) =>
  ({ type: flag.takes === "nothing" ? "boolean" as const : "string" as const, ...(flag.alias === undefined ? {} : { short: flag.alias }) })

/** The first word that is no flag and no value of a `flags`' flag: the command's name, and the words without it. */
export const takeWord = (words: ReadonlyArray<string>, flags: Flags): readonly [string | undefined, ReadonlyArray<string>] => {
  const options = Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, option(flag)]))
  const { tokens } = parseArgs({ args: [...words], options, strict: false, tokens: true, allowPositionals: true })
  const found = tokens.find((token) => token.kind === "positional")
  return found ? [found.value, words.toSpliced(found.index, 1)] : [undefined, words]
}

/** Throws UsageError with the flag's name, what was expected and got, and the nearest name. */
export const parse = <F extends Flags>(words: ReadonlyArray<string>, flags: F, operand: Operand | undefined): Parsed<F> => {
  const options = Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, option(flag)]))
  const { tokens } = parseArgs({ args: [...words], options, strict: false, tokens: true, allowPositionals: true })
  const given = new Map<string, Array<string>>()
  const operands: Array<string> = []
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value)
    if (token.kind !== "option") continue
    const flag = flags[token.name]
    if (!flag) {
      const near = token.rawName.startsWith("--") ? nearest(token.name, Object.keys(flags)) : undefined
      throw new UsageError(`unknown flag \`${token.rawName}\``, near === undefined ? undefined : `did you mean \`--${near}\`?`)
    }
    const { value } = token
    if (flag.takes === "nothing" && value !== undefined) throw new UsageError(`\`${token.rawName}\` takes no value, got \`${value}\``)
    if (flag.takes !== "nothing" && (value === undefined || (!token.inlineValue && /^-./.test(value)))) {
      throw new UsageError(`\`${token.rawName}\` needs a value ${flag.metavar}`, value === undefined ? undefined : `if \`${value}\` is the value, write ${token.rawName}=${value}`)
    }
    given.set(token.name, [...(given.get(token.name) ?? []), value ?? ""])
  }
  if (operand?.required === true && operands.length === 0) throw new UsageError(`missing ${operand.name}: ${operand.help}`)
  const surplus = operand?.many === true ? undefined : operands[operand ? 1 : 0]
  if (surplus !== undefined) throw new UsageError(`unexpected argument \`${surplus}\``)
  const values = Object.entries(flags).map(([name, flag]) => {
    const texts = given.get(name) ?? []
    try {
      return [name, flag.read(texts)] as const
    } catch (error) {
      if (!(error instanceof Misfit)) throw error
      throw new UsageError(`\`--${name}\`: expected ${error.message}, got \`${texts.at(-1) ?? ""}\``)
    }
  })
  return { values: Object.fromEntries(values) as Values<F>, operand: operands[0], operands }
}
