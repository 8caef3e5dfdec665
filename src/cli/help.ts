/** Help pages, from the table of commands. */
import { layOut } from "../formats/text-table.ts"
import type { Flags } from "./arguments.ts"
import { commands, globalFlags, type Command, type Group } from "./commands.ts"
import type { Paint } from "./terminal.ts"

const indented = (lines: ReadonlyArray<string>) => lines.map((line) => `  ${line}`)
const columns = (rows: ReadonlyArray<ReadonlyArray<string>>) => indented(layOut([{ title: "" }, { title: "" }], rows).slice(1))

const flagRows = (flags: Flags): ReadonlyArray<ReadonlyArray<string>> =>
  Object.entries(flags).map(([name, flag]) => [
    `${flag.alias === undefined ? "    " : `-${flag.alias}, `}--${name}${flag.metavar === "" ? "" : ` ${flag.metavar}`}`, flag.help
  ])
const operandOf = ({ operand }: Command): string => {
  if (operand === undefined) return ""
  const name = operand.many === true ? `${operand.name}…` : operand.name
  return operand.required ? ` ${name}` : ` [${name}]`
}

export const usage = (path: string, command: Command): string => `rae ${path}${operandOf(command)} [flags]`

export const commandHelp = (path: string, command: Command, paint: Paint): ReadonlyArray<string> => [
  command.summary,
  "",
  `${paint("bold", "usage:")} ${usage(path, command)}`,
  "",
  ...(command.operand ? [...columns([[command.operand.name, command.operand.help]]), ""] : []),
  paint("bold", "flags:"),
  ...columns(flagRows({ ...command.flags, ...globalFlags })),
  "",
  paint("bold", "examples:"),
  ...columns(command.examples.map((example) => [example.command, example.does]))
]

export const groupHelp = (group: Group, paint: Paint): ReadonlyArray<string> => [
  group.summary,
  "",
  `${paint("bold", "usage:")} rae ${group.name} COMMAND [flags]`,
  "",
  paint("bold", "commands:"),
  ...columns(group.commands.map((command) => [`${command.name}${operandOf(command)}`, command.summary]))
]

export const fullHelp = (version: string, paint: Paint): ReadonlyArray<string> => [
  `rae ${version}: trains Representation Autoencoders, and goes on when something breaks`,
  "",
  `${paint("bold", "usage:")} rae COMMAND [flags]`,
  "",
  paint("bold", "commands:"),
  ...columns(commands.map((each) => ["commands" in each ? `${each.name} ${each.commands.map(({ name }) => name).join("|")}` : `${each.name}${operandOf(each)}`, each.summary])),
  "",
  paint("bold", "flags:"),
  ...columns(flagRows(globalFlags)),
  "",
  `${paint("bold", "exit codes:")} 0 done or running, 1 failed, 2 usage or config, 3 not running, 4 no such run,`,
  "  5 gave up restarting, 6 diverged, 130 or 143 interrupted after saving",
  "",
  "rae COMMAND --help says more"
]
