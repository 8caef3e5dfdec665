/** A child's place under its supervisor: what is known of it across its restarts, and how that reads in a status listing. */
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type { Child, ChildStatus } from "./child-spec.ts"

export interface Slot<R> {
  readonly child: Child<R>
  readonly index: number
  /** Open while the child can serve, and once it will never run again: later siblings wait for it. */
  readonly ready: Latch.Latch
  /** Tells the news of this start from that of earlier ones. */
  generation: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  state: "starting" | "up" | "restarting" | "stopped" | "failed"
  starts: number
  upMillis: number | undefined
  /** Why it last went down. */
  reason: string | null
}

export const makeSlot = <R>(child: Child<R>, index: number): Slot<R> => ({
  child, index, ready: Latch.makeUnsafe(), generation: 0, fiber: undefined, state: "stopped", starts: 0, upMillis: undefined, reason: null
})

/** The child and, where it is a supervisor, its children below it. */
export const statusOf = <R>(slot: Slot<R>, depth: number, nowMillis: number): ReadonlyArray<ChildStatus> => {
  const { child } = slot
  const activity = child.activity?.()
  const since = (millis: number | null | undefined) => millis === null || millis === undefined ? null : (nowMillis - millis) / 1000
  const state = slot.state !== "up" ? slot.state : activity?.busy === true ? "busy" : "idle"
  const own: ChildStatus = {
    name: child.name, depth, state,
    op: activity?.op ?? null,
    restarts: Math.max(0, slot.starts - 1),
    up_seconds: since(slot.upMillis),
    mailbox: activity?.mailbox ?? null,
    last_seconds: since(activity?.lastMillis),
    reason: slot.reason
  }
  return [own, ...(child.children?.(depth + 1) ?? [])]
}
