/**
 * Where a run's time went, as a ledger in seconds: folded from the events, so that a reader of the log gets the same figures.
 *
 * Work counts as useful until it is lost: when the engine dies, what was done since the last commit is booked anew as lost. Actors of the
 * training state go back to the last snapshot in memory only.
 */
import type { StampedEvent } from "./journal.ts"

export const accounts = ["useful", "waiting_for_data", "saving", "evaluating", "starting", "recovering", "paused", "lost"] as const
export type Account = (typeof accounts)[number]
export type Ledger = Readonly<Record<Account, number>>

export const empty: Ledger = { useful: 0, waiting_for_data: 0, saving: 0, evaluating: 0, starting: 0, recovering: 0, paused: 0, lost: 0 }

/** Unknown accounts of a later version are left out. */
export const from = (booked: Readonly<Record<string, number>> | undefined): Ledger =>
  ({ ...empty, ...Object.fromEntries(accounts.map((account) => [account, booked?.[account] ?? 0])) })

export const total = (ledger: Ledger): number => accounts.reduce((sum, account) => sum + ledger[account], 0)

const plus = (ledger: Ledger, booked: Partial<Ledger>): Ledger =>
  ({ ...ledger, ...Object.fromEntries(Object.entries(booked).map(([account, seconds]) => [account, ledger[account as Account] + seconds])) })

/** Steps that were done and may yet be lost. */
interface Stretch { readonly step: number; readonly booked: Partial<Ledger> }

/** `booked`: what earlier processes of this run have spent; `since`: when this one began. */
export const makeGoodput = (since: Date, booked: Ledger = empty) => {
  let settled = booked
  let at = since.getTime()
  let phase: "starting" | "training" | "recovering" | "paused" = "starting"
  let unsaved: ReadonlyArray<Stretch> = []
  /** Since the last step that was told of: seconds of training, and what of them went elsewhere. */
  let pending = { all: 0, saving: 0, evaluating: 0 }
  let lastStep = 0, committed = 0, snapshot = 0
  /** Of a step, as it was told last. */
  let dataSeconds = 0

  const stretch = (step: number): Stretch => {
    const { all, evaluating, saving } = pending
    const waiting_for_data = Math.min(dataSeconds * Math.max(0, step - lastStep), Math.max(0, all - saving - evaluating))
    return { step, booked: { saving, evaluating, waiting_for_data, useful: Math.max(0, all - saving - evaluating - waiting_for_data) } }
  }
  /** What was done since the last entry, as work up to `step`. */
  const book = (step: number) => {
    unsaved = [...unsaved, stretch(step)]
    pending = { all: 0, saving: 0, evaluating: 0 }
    lastStep = step
  }
  const keep = (isKept: (stretch: Stretch) => boolean) => {
    settled = unsaved.filter(isKept).reduce((ledger, each) => plus(ledger, each.booked), settled)
    unsaved = unsaved.filter((each) => !isKept(each))
  }
  /** Back to a step: what came after it was for nothing. */
  const lose = (back: number) => {
    book(lastStep + 1) // begun after the last step that is known of
    const lost = unsaved.filter(({ step }) => step > back)
    settled = plus(settled, { lost: lost.reduce((sum, each) => sum + Object.values(each.booked).reduce((a, b) => a + b, 0), 0) })
    unsaved = unsaved.filter(({ step }) => step <= back)
    lastStep = back
  }

  const pass = (now: number) => {
    const seconds = Math.max(0, now - at) / 1000 // a clock that was set back gives no time back
    at = now
    if (phase === "training") pending = { ...pending, all: pending.all + seconds }
    else settled = plus(settled, { [phase]: seconds })
  }

  const apply = (event: StampedEvent): void => {
    pass(Date.parse(event.time))
    switch (event.type) {
      case "run.started":
        phase = "training"
        lastStep = committed = snapshot = event.resumed_from ?? 0
        break
      case "train.step":
        if (phase === "recovering") phase = "training" // actors of the engine were restarted: nobody says that they are back
        dataSeconds = event.seconds["data"] ?? 0
        book(event.step)
        break
      case "snapshot.taken":
        pending = { ...pending, saving: pending.saving + event.seconds }
        book(event.step)
        snapshot = event.step
        break
      case "eval.finished": pending = { ...pending, evaluating: pending.evaluating + event.seconds }; break
      case "checkpoint.committed": committed = event.step; keep(({ step }) => step <= committed); break
      case "supervisor.child_down":
        if (event.offender === "engine") lose(committed)
        else if (event.supervisor === "training") lose(snapshot)
        else break // it holds nothing that training needs again
        phase = "recovering"
        break
      case "train.not_finite": case "train.micro_batch": if (event.rolled_back_to !== null) lose(event.rolled_back_to); break
      case "train.paused": book(event.step); phase = "paused"; break
      case "train.resumed": phase = "training"; break
      case "run.failed": lose(committed); phase = "starting"; break
      case "run.finished": case "run.stopped": book(event.step); keep(() => true); phase = "starting"; break
      default: break
    }
  }

  return {
    apply,
    /** The ledger at a moment; unsaved work counts as what it was. */
    ledger: (now: Date): Ledger => {
      pass(now.getTime())
      return [...unsaved, stretch(lastStep)].reduce((ledger, each) => plus(ledger, each.booked), settled)
    }
  }
}
export type Goodput = ReturnType<typeof makeGoodput>
