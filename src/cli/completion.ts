/**
 * `rae completion SHELL`: a script that completes commands, flags, their choices, and names of runs. Written from the table of commands, so
 * that nothing is loaded when a key is pressed; runs are looked for by the shell itself.
 */
import { faultNames } from "../../actors/rehearsed-faults.ts"
import { didYouMean } from "../config/nearest.ts"
import type { Flag, Operand } from "./arguments.ts"
import { globalFlags, type Command } from "./command.ts"
import { commands } from "./commands.ts"
import { errors, topics } from "./explanations.ts"
import type { CompletionInput } from "./machine-commands.ts"
import type { Terminal } from "./terminal.ts"
import { UsageError } from "./usage-error.ts"

const shells = ["bash", "zsh", "fish"] as const

interface Leaf { readonly path: ReadonlyArray<string>; readonly command: Command }
const leaves: ReadonlyArray<Leaf> = commands.flatMap((each): ReadonlyArray<Leaf> =>
  "commands" in each ? each.commands.map((inner) => ({ path: [each.name, inner.name], command: inner })) : [{ path: [each.name], command: each }])
const names = [...commands.map(({ name }) => name), "help"]
const groups = commands.filter((each) => "commands" in each)

/** Words for an operand or a flag's value; null: files, `run`: names of runs. */
const wordsFor = ({ completes }: Operand): ReadonlyArray<string> | "run" | null =>
  completes === undefined ? null : completes === "run" ? "run" : { fault: faultNames, topic: [...Object.keys(topics), ...Object.keys(errors)], shell: shells }[completes]
const choices = ({ metavar, takes }: Flag<unknown>): ReadonlyArray<string> | "run" | null =>
  takes === "nothing" ? null : metavar === "RUN" ? "run" : metavar.includes("|") ? metavar.split("|") : null

const flagsOf = ({ flags }: Command) => Object.entries({ ...flags, ...globalFlags })

/** Runs and their variants: directories with a run.json. */
const findRuns = '( cd "${RAE_RUNS_DIR:-runs}" 2>/dev/null && for f in */run.json */*/run.json; do [ -e "$f" ] && printf "%s\\n" "${f%/run.json}"; done )'

const bash = (): ReadonlyArray<string> => [
  "_rae() {",
  '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} at="${COMP_WORDS[1]}" words="" runs=""',
  `  case $at in ${groups.map(({ name }) => name).join("|")}) [ "$COMP_CWORD" -gt 2 ] && at="$at \${COMP_WORDS[2]}";; esac`,
  "  COMPREPLY=()",
  `  if [ "$COMP_CWORD" -eq 1 ]; then words="${names.join(" ")} --help --version"`,
  ...groups.map(({ commands: inner, name }) => `  elif [ "$COMP_CWORD" -eq 2 ] && [ "$at" = ${name} ]; then words="${inner.map((each) => each.name).join(" ")}"`),
  "  else case $at in",
  ...leaves.flatMap(({ command, path }) => {
    const operand = command.operand === undefined ? null : wordsFor(command.operand)
    const values = flagsOf(command).flatMap(([name, flag]) => {
      const given = choices(flag)
      return flag.takes === "nothing" ? [] : [`        --${name}) ${given === "run" ? "runs=1" : given === null ? "files=1" : `words="${given.join(" ")}"`};;`]
    })
    return [
      `    "${path.join(" ")}") local files=""; case $before in`, ...values,
      `        *) ${operand === "run" ? "runs=1; " : operand === null ? (command.operand === undefined ? "" : "files=1; ") : `words="${operand.join(" ")}"; `}[[ $word == -* ]] && words="${flagsOf(command).map(([name]) => `--${name}`).join(" ")}";;`,
      '      esac; [ -n "$files" ] && [[ $word != -* ]] && COMPREPLY=( $(compgen -f -- "$word") );;'
    ]
  }),
  "  esac; fi",
  `  [ -n "$runs" ] && [[ $word != -* ]] && words="$words $( ${findRuns} )"`,
  '  [ -n "$words" ] && COMPREPLY+=( $(compgen -W "$words" -- "$word") )',
  "}",
  "complete -o filenames -F _rae rae"
]

/** (`path` would be the search path in zsh.) zsh has bash's completions as a mode of its own. */
const zsh = (): ReadonlyArray<string> => ["autoload -U +X bashcompinit && bashcompinit", ...bash()]

const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

const fish = (): ReadonlyArray<string> => {
  const runs = "(begin; set -l d runs; set -q RAE_RUNS_DIR; and set d $RAE_RUNS_DIR; for f in $d/*/run.json $d/*/*/run.json; string replace -- $d/ '' (dirname $f); end; end)"
  const given = (words: ReadonlyArray<string> | "run" | null) => words === "run" ? ` -f -a ${quoted(runs)}` : words === null ? "" : ` -f -a ${quoted(words.join(" "))}`
  return [
    "complete -c rae -n __fish_use_subcommand -f",
    ...commands.map(({ name, summary }) => `complete -c rae -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`),
    ...groups.flatMap(({ commands: inner, name }) => inner.map((each) =>
      `complete -c rae -n '__fish_seen_subcommand_from ${name}; and not __fish_seen_subcommand_from ${inner.map((one) => one.name).join(" ")}' -f -a ${each.name} -d ${quoted(each.summary)}`)),
    ...leaves.flatMap(({ command, path }) => {
      const here = `-n '${path.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ")}'`
      const operand = command.operand === undefined ? null : wordsFor(command.operand)
      const flags = flagsOf(command).map(([name, flag]) =>
        `complete -c rae ${here} -l ${name}${flag.alias === undefined ? "" : ` -s ${flag.alias}`}${flag.takes === "nothing" ? "" : " -r"}${given(choices(flag))} -d ${quoted(flag.help)}`)
      return operand === null ? flags : [`complete -c rae ${here}${given(operand)}`].concat(flags)
    })
  ]
}

export const completion = ({ operand = "" }: CompletionInput, terminal: Terminal): Promise<number> => {
  const script = { bash, zsh, fish }[operand]
  if (script === undefined) return Promise.reject(new UsageError(`no completion for \`${operand}\``, didYouMean(operand, shells)))
  for (const line of script()) terminal.out(line)
  return Promise.resolve(0)
}
