/**
 * Named places where a test makes the commit protocol fail: `RAE_FAILPOINT=rename.before:kill`.
 *
 * Grammar: `name[@n]:action`, several with commas; `@n` acts at the n-th visit alone. Actions: `kill` (SIGKILL to the
 * own process), `error:ENOSPC` (the operation fails with that errno), `delay:250` (milliseconds), `hold:FILE` (makes FILE and
 * waits until it is gone, so that whoever watches can act in this very moment). Real faults are better where the machine can
 * make them; these are for exact moments, a failing rename, a slow disk.
 */
import * as Context from "effect/Context"
import { existsSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

/** In the order in which a save passes them. The engine writes its files between `write.before` and `write.after`. */
export const names = [
  "write.before", "write.after", "manifest.before", "manifest.after", "fsync.before", "fsync.after", "verify.before", "verify.after",
  "rename.before", "rename.between", "rename.after", "dir-fsync.before", "dir-fsync.after", "prune.before", "prune.between", "prune.after"
] as const
export type Name = (typeof names)[number]

type Action =
  | { readonly _tag: "Kill" }
  | { readonly _tag: "Error"; readonly errno: string }
  | { readonly _tag: "Delay"; readonly milliseconds: number }
  | { readonly _tag: "Hold"; readonly file: string }
interface Rule { readonly name: Name; readonly visit: number | null; readonly action: Action }

/** Called at a named place: passes, waits, throws an error with the errno as its `code`, or never returns. */
export type Hit = (name: Name) => Promise<void>

const parseAction = (text: string): Action | undefined => {
  const [kind, argument = ""] = text.split(":", 2)
  if (kind === "kill" && argument === "") return { _tag: "Kill" }
  if (kind === "error" && /^E[A-Z0-9]+$/.test(argument)) return { _tag: "Error", errno: argument }
  if (kind === "delay" && /^\d+$/.test(argument)) return { _tag: "Delay", milliseconds: Number(argument) }
  if (kind === "hold" && argument !== "") return { _tag: "Hold", file: argument }
  return undefined
}

const parseRule = (text: string): Rule => {
  const [, name, visit, rest = ""] = /^([a-z.-]+)(?:@([1-9]\d*))?:(.+)$/.exec(text.trim()) ?? []
  const known = names.find((candidate) => candidate === name)
  const action = parseAction(rest)
  if (!known) throw new Error(`no failpoint in ${JSON.stringify(text)}, expected name[@n]:action with a name of ${names.join(" ")}`)
  if (!action) throw new Error(`no action in ${JSON.stringify(text)}, expected kill, error:ERRNO, delay:MILLISECONDS or hold:FILE`)
  return { name: known, visit: visit === undefined ? null : Number(visit), action }
}

const pollMillis = 5

const held = async (file: string): Promise<void> => {
  writeFileSync(file, "")
  while (existsSync(file)) await sleep(pollMillis)
}

/** Failpoints of a text in the grammar above; with an empty text every place passes. Throws on a text that names none. */
export const parse = (text: string): Hit => {
  const rules = text.trim() === "" ? [] : text.split(",").map(parseRule)
  const visits = new Map<Name, number>()
  return async (name) => {
    if (rules.length === 0) return
    const visit = (visits.get(name) ?? 0) + 1
    visits.set(name, visit)
    const action = rules.find((rule) => rule.name === name && (rule.visit === null || rule.visit === visit))?.action
    if (action === undefined) return
    switch (action._tag) {
      case "Kill":
        process.kill(process.pid, "SIGKILL")
        return sleep(2 ** 30) // the signal is on its way; no further line may run
      case "Error":
        throw Object.assign(new Error(`failpoint ${name}`), { code: action.errno })
      case "Delay":
        return sleep(action.milliseconds)
      case "Hold":
        return held(action.file)
    }
  }
}

/** The failpoints of this process; a test provides its own. */
export const Failpoints = Context.Reference<Hit>("rae/checkpoint/Failpoints", { defaultValue: () => parse(process.env["RAE_FAILPOINT"] ?? "") })
