/**
 * An actor: a state, a record of operations on it, and a bounded mailbox in front, served one letter at a time.
 *
 * A typed failure of an operation is a reply; a defect crashes the incarnation and whoever asked gets `ActorDown`. The
 * address outlives restarts: callers keep their reference. An actor is a child spec as it is, so it goes straight among a
 * supervisor's children. What letters carry (tensors, say) is unknown here: `onTake` and `onDrop` tell its owner.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { makeMailbox } from "./mailbox.ts"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import { reasonOf } from "./reason.ts"
import type { Activity, Child } from "./child-spec.ts"

export class ActorDown extends Schema.TaggedError<ActorDown>()("ActorDown", {
  actor: Schema.String, op: Schema.String, reason: Schema.String
}) {
  override get message() {
    return `${this.actor} went down and did not answer ${this.op}: ${this.reason}`
  }
}

export type Behaviour = { readonly [op: string]: (...args: never) => Effect.Effect<unknown, unknown> }

export type Ask<B extends Behaviour> = {
  readonly [K in keyof B]: B[K] extends (...args: infer A) => Effect.Effect<infer X, infer E> ? (...args: A) => Effect.Effect<X, E | ActorDown> : never
}
/** `false`: nobody will read the letter. */
export type Tell<B extends Behaviour> = {
  readonly [K in keyof B]: B[K] extends (...args: infer A) => unknown ? (...args: A) => Effect.Effect<boolean> : never
}

export interface ActorOptions<B extends Behaviour, E, R> {
  readonly name: string
  readonly capacity?: number | undefined
  /**
   * What a restart does to letters that wait. `kept`: the next incarnation reads them. `emptied`: they were written for the
   * state that is gone, so they are dropped, and so is a letter to an actor that is down; each asker gets `ActorDown`.
   */
  readonly mailbox?: "kept" | "emptied" | undefined
  /** Makes the state and its operations, once an incarnation, in that incarnation's scope. */
  readonly init: Effect.Effect<B, E, R>
  /** The arguments of a letter that is being taken. */
  readonly onTake?: ((values: ReadonlyArray<unknown>) => void) | undefined
  /** What nobody will read: the arguments of a dropped letter, or the reply to an asker that has gone. */
  readonly onDrop?: ((values: ReadonlyArray<unknown>) => void) | undefined
}

export interface Actor<B extends Behaviour, E, R> extends Child<R> {
  readonly run: (ready: Effect.Effect<void>) => Effect.Effect<never, E, R>
  readonly ask: Ask<B>
  readonly tell: Tell<B>
  readonly activity: () => ActorActivity
}

export interface ActorActivity extends Activity {
  /** 1 for the first start; 0 before it. */
  readonly incarnation: number
}

type Reply = Exit.Exit<unknown, unknown>

interface Letter {
  readonly op: string
  readonly args: ReadonlyArray<unknown>
  readonly incarnation: number
  /** `false` when the asker has gone. Told letters have none. */
  readonly reply: ((exit: Reply) => boolean) | undefined
}

const defaultCapacity = 16

export const actor = Effect.fnUntraced(function*<B extends Behaviour, E, R>(options: ActorOptions<B, E, R>) {
  const { name, init, onDrop, onTake } = options
  const clock = yield* Clock.Clock
  const empties = options.mailbox === "emptied"
  const mailbox = makeMailbox<Letter>(options.capacity ?? defaultCapacity)
  let incarnation = 0
  let up = false
  let op: string | null = null
  let lastMillis: number | null = null

  const down = (op: string, reason: string) => new ActorDown({ actor: name, op, reason })
  const drop = (letters: ReadonlyArray<Letter>, reason: string) => {
    for (const letter of letters) {
      letter.reply?.(Exit.fail(down(letter.op, reason)))
      onDrop?.(letter.args)
    }
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => drop(mailbox.close(), "stopped")))

  const refuses = () => empties && !up

  const ask = (op: string) => (...args: ReadonlyArray<unknown>) =>
    Effect.callback<unknown, unknown>((resume) => {
      let asking = true
      const letter: Letter = {
        op, args, incarnation,
        reply: (exit) => {
          const heard = asking
          asking = false
          if (heard) resume(exit)
          return heard
        }
      }
      if (refuses() || mailbox.offer(letter) === "closed") return drop([letter], refuses() ? "restarting" : "stopped")
      return Effect.sync(() => {
        asking = false
        if (mailbox.withdraw(letter)) onDrop?.(args)
      })
    })

  const tell = (op: string) => (...args: ReadonlyArray<unknown>) =>
    Effect.callback<boolean>((resume) => {
      const letter: Letter = { op, args, incarnation, reply: undefined }
      const accepted = refuses() ? "closed" : mailbox.offer(letter, () => resume(Effect.succeed(true)))
      if (accepted === "closed") drop([letter], "stopped")
      if (accepted !== "waiting") return resume(Effect.succeed(accepted === "queued"))
      return Effect.sync(() => {
        if (mailbox.withdraw(letter)) onDrop?.(args)
      })
    })

  /** Answers the letter in hand, whatever becomes of the operation. */
  const answer = (letter: Letter, exit: Reply) => {
    op = null
    lastMillis = monotonicMillisUnsafe(clock)
    const crashed = Exit.isFailure(exit) && (Cause.hasDies(exit.cause) || Cause.hasInterrupts(exit.cause))
    const heard = letter.reply?.(crashed ? Exit.fail(down(letter.op, reasonOf(exit.cause))) : exit) ?? false
    if (!heard && Exit.isSuccess(exit) && exit.value !== undefined) onDrop?.([exit.value])
  }

  const serve = (behaviour: B, letter: Letter): Effect.Effect<void> => {
    op = letter.op
    lastMillis = monotonicMillisUnsafe(clock)
    onTake?.(letter.args)
    const operation = behaviour[letter.op]
    return Effect.suspend(() => {
      if (operation === undefined) return Effect.die(new Error(`${name} has no operation ${letter.op}`))
      return (operation as (...args: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>)(...letter.args)
    }).pipe(
      Effect.onExit((exit) => Effect.sync(() => answer(letter, exit))),
      Effect.catchCause((cause) => Cause.hasDies(cause) || Cause.hasInterrupts(cause) ? Effect.failCause(cause as Cause.Cause<never>) : Effect.void),
      Effect.asVoid
    )
  }

  const run = (ready: Effect.Effect<void>): Effect.Effect<never, E, R> =>
    Effect.gen(function*() {
      const behaviour = yield* init
      incarnation++
      up = true
      yield* ready
      while (true) {
        const letter = yield* mailbox.take
        // a sender that waited for room may have written to the incarnation before
        if (empties && letter.incarnation !== incarnation) drop([letter], "restarted")
        else yield* serve(behaviour, letter)
      }
    }).pipe(Effect.onExit((exit) => Effect.sync(() => {
      up = false
      if (empties) drop(mailbox.clear(), Exit.isFailure(exit) ? reasonOf(exit.cause) : "stopped")
    })))

  return {
    name, run,
    ask: operations(ask) as Ask<B>,
    tell: operations(tell) as Tell<B>,
    activity: () => ({ busy: op !== null, op, mailbox: { depth: mailbox.depth(), capacity: mailbox.capacity }, incarnation, lastMillis })
  } satisfies Actor<B, E, R>
})

/** A record whose every property is an operation; they are known only once `init` has run, after the address is handed out. */
const operations = (make: (op: string) => unknown): unknown => {
  const made = new Map<string | symbol, unknown>()
  return new Proxy({}, {
    get: (_, op) => {
      if (typeof op !== "string") return undefined
      if (!made.has(op)) made.set(op, make(op))
      return made.get(op)
    }
  })
}
