/** A run that is over, looked at from outside: equal, every checkpoint whole, nothing left behind. */
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import type { StampedEvent } from "../actors/journal.ts"
import { verifyAll } from "../src/checkpoint/describe.ts"
import { differences, type Fingerprint, fingerprint, isOf } from "./fingerprint.ts"
import { isAlive } from "./rae-process.ts"

/** `expected`: null where the run need not be equal to any other. */
export const complaintsAbout = async (runDir: string, expected: Fingerprint | null, events: ReadonlyArray<StampedEvent>): Promise<ReadonlyArray<string>> => {
  const damaged = (await Effect.runPromise(verifyAll(runDir, runDir))).filter(({ ok }) => !ok).map(({ path }) => `${path} does not verify`)
  const left = readdirSync(runDir, { recursive: true, encoding: "utf8" }).filter((file) => /\.sock$|\.new$|(^|\/)\.(tmp|pruned|replaced)-/.test(file)).map((file) => `left behind: ${file}`)
  const orphans = events.filter(isOf("engine.started")).filter(({ pid }) => isAlive(pid)).map(({ pid }) => `engine ${pid} is still alive`)
  return [...(expected === null ? [] : differences(expected, await fingerprint(runDir), events)), ...damaged, ...left, ...orphans]
}
