/** From the words of the command line to what is to be done; no command is loaded yet. */
import { parse, takeWord, type Flags, type Parsed } from "./arguments.ts"
import { commands, globalFlags, type Command, type Group } from "./commands.ts"
import { topics } from "./explanations.ts"
import { commandHelp, fullHelp, groupHelp } from "./help.ts"
import { nearest } from "../config/nearest.ts"
import type { ColorChoice, Paint } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

export type Invocation =
  | { readonly _tag: "Print"; readonly lines: (paint: Paint) => ReadonlyArray<string> }
  | { readonly _tag: "Execute"; readonly command: Command; readonly input: Parsed<Flags> }

const find = <C extends { readonly name: string }>(among: ReadonlyArray<C>, word: string, prefix: string): C => {
  const found = among.find(({ name }) => name === word)
  if (found) return found
  const near = nearest(word, among.map(({ name }) => name))
  throw new UsageError(`unknown command \`${prefix}${word}\``, near === undefined ? "rae --help lists the commands" : `did you mean \`${prefix}${near}\`?`)
}

/** Is one of these words the flag, before a `--`? They are looked for apart so that they work beside an error. */
const has = (words: ReadonlyArray<string>, ...flags: ReadonlyArray<string>): boolean => {
  const end = words.indexOf("--")
  return words.slice(0, end < 0 ? undefined : end).some((word) => flags.includes(word))
}

export const colorChoice = (words: ReadonlyArray<string>): ColorChoice => {
  const at = words.findLastIndex((word) => word === "--color" || word.startsWith("--color="))
  const choice = at < 0 ? undefined : words[at] === "--color" ? words[at + 1] : words[at]?.slice("--color=".length)
  return choice === "always" || choice === "never" ? choice : "auto"
}

export const wantsTrace = (words: ReadonlyArray<string>, env: Readonly<Record<string, string | undefined>>): boolean =>
  has(words, "--trace") || (env["RAE_DEBUG"] ?? "") !== ""

const resolve = (words: ReadonlyArray<string>, command: Command, path: string): Invocation => {
  if (has(words, "--help", "-h")) return { _tag: "Print", lines: (paint) => commandHelp(path, command, paint) }
  return { _tag: "Execute", command, input: parse(words, { ...command.flags, ...globalFlags }, command.operand) }
}

const resolveGroup = (words: ReadonlyArray<string>, group: Group): Invocation => {
  const [name, rest] = takeWord(words, Object.assign({}, globalFlags, ...group.commands.map(({ flags }) => flags)) as Flags)
  const byDefault = group.commands.find((each) => each.name === group.byDefault)
  if (name === undefined && byDefault !== undefined && !has(words, "--help", "-h")) return resolve(words, byDefault, `${group.name} ${byDefault.name}`)
  if (name === undefined) {
    if (!has(words, "--help", "-h")) throw new UsageError(`missing command after \`${group.name}\``, `one of ${group.commands.map((each) => each.name).join(", ")}`)
    return { _tag: "Print", lines: (paint) => groupHelp(group, paint) }
  }
  return resolve(rest, find(group.commands, name, `${group.name} `), `${group.name} ${name}`)
}

/** Throws UsageError. */
export const interpret = (words: ReadonlyArray<string>, version: string): Invocation => {
  const [name, rest] = takeWord(words, globalFlags)
  if (name === undefined) {
    if (has(words, "--version", "-V")) return { _tag: "Print", lines: () => [`rae ${version}`] }
    if (!has(words, "--help", "-h")) {
      parse(words, globalFlags, undefined)
      throw new UsageError("missing command", "rae --help lists the commands")
    }
    return { _tag: "Print", lines: (paint) => fullHelp(version, paint) }
  }
  if (name === "help" && rest[0] !== undefined && rest[0] in topics) return interpret(["explain", ...rest], version)
  if (name === "help") return interpret([...rest, "--help"], version)
  const chosen = find(commands, name, "")
  return "commands" in chosen ? resolveGroup(rest, chosen) : resolve(rest, chosen, name)
}
