import type { LockHolder } from '../plan/blocker.ts'

/*
 * Why an attempt at a step was ended, or not begun, although nothing is wrong with the step: it is tried again.
 */

/** It would do harm to begin now; it may not in a while. */
export class NotNow extends Error {
  /** Those because of whom; the message names the first. */
  readonly holders: readonly LockHolder[]

  constructor(reason: string, holders: readonly LockHolder[]) {
    super(reason)
    this.holders = holders
  }
}

/** Nobody can tell how long others wait behind a step, so it must not go on. */
export class Unwatched extends Error {}

/** A statement waited for a lock for as long as others may be made to wait, or others had waited behind it so long. */
export class GaveWay extends Error {
  /** The sessions that it waited for itself when it was ended; 0 stands for a prepared transaction. */
  readonly blockers: readonly number[]

  constructor(message: string, blockers: readonly number[]) {
    super(`${message}, so it gave way`)
    this.blockers = blockers
  }
}

export type EndedEarly = NotNow | Unwatched | GaveWay

export function isEndedEarly(error: unknown): error is EndedEarly {
  return error instanceof NotNow || error instanceof Unwatched || error instanceof GaveWay
}
