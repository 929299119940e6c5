import type { LockHolder, WantedLock } from '../plan/blocker.ts'
import { describeHolder, inTheWay } from '../plan/blocker.ts'

/** What is left of the time in which the run of one table tries again for locks that are not free. */
export class Patience {
  #leftMs: number
  #inTheWay: readonly LockHolder[] = []
  #owesPause = false

  constructor(ms: number) {
    this.#leftMs = ms
  }

  get isOver(): boolean {
    return this.#leftMs <= 0
  }

  get leftMs(): number {
    return Math.max(0, this.#leftMs)
  }

  spend(ms: number): void {
    this.#leftMs -= ms
  }

  /** An operation was given up, with these in its way. */
  giveUp(holders: readonly LockHolder[]): void {
    this.#inTheWay = [...this.#inTheWay, ...holders]
    this.#owesPause = true
  }

  /** Whether an operation was given up and nothing was tried since: others are left alone for a while before the next. */
  takePause(): boolean {
    const owes = this.#owesPause
    this.#owesPause = false
    return owes
  }

  /** Why an operation with these locks is not even tried: the time is over, and who was in the way of another is in its. */
  whyNot(locks: readonly WantedLock[]): string | undefined {
    if (!this.isOver) return undefined
    const [first] = inTheWay(locks, this.#inTheWay)
    return (
      first &&
      `it was not tried: the time to try again for locks (giveUpAfterMs) was used up before it, by an operation that had the same in its way: ${describeHolder(first)}`
    )
  }
}
