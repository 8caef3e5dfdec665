/**
 * An engine that stands still, in three ways: stopped by a signal, in a loop of JavaScript, in a native call that never returns. What it was doing
 * is in the log before it is killed, and the run ends with the bits of one that nobody disturbed.
 */
import { assert, beforeAll, it } from "vitest"
import { makeWorkplace } from "../rae-processes.ts"

const place = makeWorkplace()
/** Of a run of 12 steps with checkpoints at 3, 6 and 9: the engine that goes on has not as many calls left, so it hangs once. */
const late = 11
/** Loading is held to it too, which takes several seconds where three engines load at once. */
const words = ["--set", "supervision.hang_seconds=12"]

beforeAll(() => place.done(place.runWords("undisturbed")))

const assertOneHang = async (name: string, code: number | null, stderr: string) => {
  assert.strictEqual(code, 0, stderr)
  const events = await place.events(name)
  const hangs = events.filter((event) => event.type === "engine.hung")
  assert.lengthOf(hangs, 1, stderr)
  const down = events.findLast((event) => event.type === "supervisor.child_down")
  assert.isAbove(down?.seq ?? 0, hangs[0]!.seq)
  assert.include(down?.reason, "hung")
  await place.assertSameState(name, "undisturbed")
  await place.assertLeftInOrder(name)
  return hangs[0]!
}

it("a loop that never ends, a native call that never returns, a stopped process: found, told of, killed, and made good", async () => {
  const spinning = place.start(place.runWords("spin", ...words), { env: { RAE_FAULT: `generator.backward@${late}:spin` } })
  const blocking = place.start(place.runWords("block", ...words), { env: { RAE_FAULT: `discriminator.learn@${late}:block` } })
  const stopping = place.start(place.runWords("stop", ...words, "--set", "checkpoint.max_unsaved_steps=4"), { env: { RAE_FAILPOINT: "write.before@2:delay:1000" } })
  await place.seen("stop", "train.step", ({ step }) => step >= 4)
  process.kill(await place.enginePid(stopping.pid), "SIGSTOP")

  const [spun, blocked, stopped] = await Promise.all([spinning.ended, blocking.ended, stopping.ended])

  const loop = await assertOneHang("spin", spun.code, spun.stderr)
  assert.deepInclude(loop, { kind: "loop blocked", op: null })
  assert.match(loop.process, /^running/)
  assert.isAtLeast(loop.loop_seconds ?? 0, 4)
  assert.isAbove(loop.ops_done ?? 0, 1000)
  assert.match(loop.stack.join("\n"), /actors\/fault-points\.ts:\d+/)

  const call = await assertOneHang("block", blocked.code, blocked.stderr)
  assert.deepInclude(call, { kind: "op stuck", op: "block", step: call.step })
  assert.isAtLeast(call.silent_seconds, 4)
  assert.isAbove(call.threads.length, 1)

  const silent = await assertOneHang("stop", stopped.code, stopped.stderr)
  assert.strictEqual(silent.kind, "silent")
  assert.match(silent.process, /^stopped/)
}, 120_000)
