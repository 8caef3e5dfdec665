/**
 * A bounded queue of letters with one reader.
 *
 * It differs from `effect/Queue` in what a restart needs: senders that wait for room are part of what `clear` empties, and
 * a letter can be withdrawn by whoever wrote it. Synchronous throughout; only the reader suspends.
 */
import * as Effect from "effect/Effect"

export type Accepted = "queued" | "waiting" | "closed"

export interface Mailbox<A> {
  readonly capacity: number
  /** Letters inside; those of senders that wait for room are not counted, so it never exceeds the capacity. */
  readonly depth: () => number
  /** Puts a letter in, or in line where there is no room; `onRoom` is called once when a waiting letter gets in or is cleared. */
  readonly offer: (letter: A, onRoom?: () => void) => Accepted
  /** The oldest letter; waits for one. Only one fiber may take. */
  readonly take: Effect.Effect<A>
  /** Takes a letter back; false when it has been taken already. */
  readonly withdraw: (letter: A) => boolean
  /** Empties it, the waiting letters included, oldest first. */
  readonly clear: () => ReadonlyArray<A>
  /** Clears it and refuses every later letter. */
  readonly close: () => ReadonlyArray<A>
}

interface Waiting<A> {
  readonly letter: A
  readonly onRoom: (() => void) | undefined
}

export const makeMailbox = <A>(capacity: number): Mailbox<A> => {
  const letters: Array<A> = []
  const waiting: Array<Waiting<A>> = []
  let wakeReader: (() => void) | undefined
  let closed = false

  const letIn = () => {
    while (letters.length < capacity) {
      const next = waiting.shift()
      if (next === undefined) return
      letters.push(next.letter)
      next.onRoom?.()
    }
  }

  const offer = (letter: A, onRoom?: () => void): Accepted => {
    if (closed) return "closed"
    if (letters.length < capacity) {
      letters.push(letter)
      wakeReader?.()
      return "queued"
    }
    waiting.push({ letter, onRoom })
    return "waiting"
  }

  // The reader is only woken and then takes for itself: an interruption in between cannot lose a letter.
  const arrival = Effect.callback<void>((resume) => {
    if (letters.length > 0) return resume(Effect.void)
    const wake = () => {
      if (wakeReader === wake) wakeReader = undefined
      resume(Effect.void)
    }
    wakeReader = wake
    return Effect.sync(() => {
      if (wakeReader === wake) wakeReader = undefined
    })
  })

  const take: Effect.Effect<A> = Effect.suspend(() => {
    if (letters.length === 0) return Effect.flatMap(arrival, () => take)
    const letter = letters.shift() as A
    letIn()
    return Effect.succeed(letter)
  })

  const withdraw = (letter: A) => {
    const inLine = waiting.findIndex((entry) => entry.letter === letter)
    if (inLine >= 0) {
      waiting.splice(inLine, 1)
      return true
    }
    const inside = letters.indexOf(letter)
    if (inside < 0) return false
    letters.splice(inside, 1)
    letIn()
    return true
  }

  const clear = () => {
    const cleared = [...letters.splice(0), ...waiting.map((entry) => entry.letter)]
    for (const { onRoom } of waiting.splice(0)) onRoom?.()
    return cleared
  }

  return {
    capacity,
    depth: () => letters.length,
    offer,
    take,
    withdraw,
    clear,
    close: () => {
      closed = true
      return clear()
    }
  }
}
