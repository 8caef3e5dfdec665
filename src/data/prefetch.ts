/**
 * Makes the next few of a numbered sequence ahead of their use. Each item is a pure function of its number, so a jump (roll
 * back, skipped window) only changes what is under way, never what an item holds.
 */
export interface Prefetch<A> {
  /** Item `number`; starts those after it. Rejects with what `load` rejects with, each time it is asked. */
  readonly take: (number: number) => Promise<A>
  /** Cancels what is under way. Items taken before stay valid. */
  readonly close: () => void
}

export interface PrefetchOptions<A> {
  /** The signal is aborted once the item is no longer wanted. */
  readonly load: (number: number, signal: AbortSignal) => Promise<A>
  /** How many items are made ahead. */
  readonly ahead: number
  /** The sequence ends before this number. */
  readonly end: number
}

export const prefetch = <A>({ load, ahead, end }: PrefetchOptions<A>): Prefetch<A> => {
  const pending = new Map<number, { readonly item: Promise<A>; readonly cancel: AbortController }>()

  const start = (number: number): void => {
    if (number >= end || pending.has(number)) return
    const cancel = new AbortController()
    const item = load(number, cancel.signal)
    /** Whoever takes it sees the rejection; one that nobody takes must not end the process. */
    item.catch(() => undefined)
    pending.set(number, { item, cancel })
  }

  const dropOutside = (first: number, last: number): void => {
    for (const [number, { cancel }] of pending) {
      if (number >= first && number <= last) continue
      cancel.abort()
      pending.delete(number)
    }
  }

  return {
    take: (number) => {
      dropOutside(number, number + ahead)
      if (number >= end) return Promise.reject(new RangeError(`item ${number} of ${end}`))
      start(number)
      const { item } = pending.get(number)!
      pending.delete(number)
      for (let next = number + 1; next <= number + ahead; next++) start(next)
      return item
    },
    close: () => dropOutside(0, -1)
  }
}
