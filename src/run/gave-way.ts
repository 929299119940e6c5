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
export class Unwatched extends Error {
  /** Whether the step had begun, and so may have kept others waiting. */
  readonly hadBegun: boolean

  constructor(message: string, { hadBegun, cause }: { readonly hadBegun: boolean; readonly cause: unknown }) {
    super(message, { cause })
    this.hadBegun = hadBegun
  }
}

/** A statement waited for a lock for as long as others may be made to wait, or others had waited behind it so long. */
export class GaveWay extends Error {
  /** The sessions that it waited for itself when it was ended; 0 stands for a prepared transaction. */
  readonly blockers: readonly number[]
  /** How long it had waited for locks and worked with them in hand, where that was counted. */
  readonly ranMs: number | undefined

  constructor(message: string, about: { readonly blockers: readonly number[]; readonly ranMs?: number }) {
    super(`${message}, so it gave way`)
    this.blockers = about.blockers
    this.ranMs = about.ranMs
  }
}

export type EndedEarly = NotNow | Unwatched | GaveWay

export function isEndedEarly(error: unknown): error is EndedEarly {
  return error instanceof NotNow || error instanceof Unwatched || error instanceof GaveWay
}
