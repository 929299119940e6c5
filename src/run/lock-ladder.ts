import { setTimeout as sleep } from 'node:timers/promises'

import type { TableName } from '../model/table-name.ts'
import type { Holder, LockHolder, WantedLock } from '../plan/blocker.ts'
import { adviceAbout, givesWay, inTheWay } from '../plan/blocker.ts'
import type { DdlLimits } from '../sql/settings.ts'
import type { LockBudget } from '../sql/lock-budget.ts'
import { pauseAfter } from '../sql/lock-budget.ts'
import type { DatabaseClient } from './client.ts'
import type { HoldersSeen } from './lock-holders.ts'
import type { OperationCourse } from './operation-course.ts'
import { nobodySeen, readLockHolders } from './lock-holders.ts'
import { GaveWay, watchOver } from './lock-watch.ts'
import type { Patience } from './patience.ts'
import { throwIfAborted } from './run-aborted.ts'
import { hasSqlState } from './sql-state.ts'

/** What a step is tried with. */
export interface Ladder {
  readonly client: DatabaseClient
  readonly signal: AbortSignal | undefined
  /** With the lock timeout as the server gets it. */
  readonly budget: LockBudget
  readonly patience: Patience
  /** What the operation locks, to find out who is in the way. */
  readonly locks: readonly WantedLock[]
  /** The limits of a step whose last statement waits for older snapshots of the whole database. */
  readonly waitsForSnapshots?: DdlLimits | undefined
  /** Is told of what is waited for. */
  readonly course?: OperationCourse | undefined
}

/** One of the attempts at a step. */
export interface Attempt {
  /** Aborts when the run is stopped, and when others have waited behind the watched session for too long. */
  readonly signal: AbortSignal
  /** Counted from 1. */
  readonly number: number
  /** Where an autovacuum was in the way that may be asked to give way. */
  readonly vacuumed: readonly TableName[]
  /**
   * Watches a session, once there is a connection to do it with, until the function that comes back is called; `waits`
   * is for one that waits on its own for others who hold locks.
   */
  watch(pid: number, options?: { readonly waits: boolean }): Promise<() => Promise<void>>
  /** Says that the step must not be tried again if it fails from here on. */
  noMore(): void
}

/** It would do harm to begin now; it may not in a while. */
export class NotNow extends Error {
  /** Those because of whom; the message names the first. */
  readonly holders: readonly LockHolder[]

  constructor(reason: string, holders: readonly LockHolder[]) {
    super(reason)
    this.holders = holders
  }
}

/** A lock was not free in all the time that there was. */
export class LockNotFree extends Error {
  readonly attempts: number
  readonly holders: readonly LockHolder[]
  readonly snapshots: readonly Holder[]
  /** What to grant so that the next run gets further, in sentences. */
  readonly advice: readonly string[]
  /** What an earlier step has begun stays begun. */
  readonly hasBegun: boolean

  constructor(
    reason: string,
    about: {
      readonly attempts: number
      readonly holders: readonly LockHolder[]
      readonly snapshots: readonly Holder[]
      readonly advice: readonly string[]
      readonly hasBegun: boolean
      readonly cause: unknown
    },
  ) {
    super(reason, { cause: about.cause })
    this.attempts = about.attempts
    this.holders = about.holders
    this.snapshots = about.snapshots
    this.advice = about.advice
    this.hasBegun = about.hasBegun
  }
}

/**
 * Who has given way to others so often does not get done in the time that they may wait, however often it is tried; and
 * each time they have waited.
 */
const mostTimesToGiveWay = 4

/** Tries a step again, with longer and longer pauses, for as long as it fails only because others are at work. */
export async function tryUntilFree<T>(ladder: Ladder, step: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { client, signal, budget, patience, locks, course } = ladder
  let vacuumed: readonly TableName[] = []
  let gaveWayTimes = 0
  for (let attempts = 1; ; attempts++) {
    const started = performance.now()
    const gaveWay = new AbortController()
    let isFinal = false
    try {
      return await step({
        signal: signal ? AbortSignal.any([signal, gaveWay.signal]) : gaveWay.signal,
        number: attempts,
        vacuumed,
        watch: (pid, { waits } = { waits: false }) =>
          watchOver(client, {
            pid,
            mostMs: budget.lockTimeoutMs,
            ...(waits &&
              course && {
                tables: locks.map(({ relation }) => relation),
                inTheWay: (holders) => {
                  course.waited({ inTheWay: holders })
                },
              }),
            giveWay: (why) => {
              gaveWay.abort(why)
            },
          }),
        noMore: () => {
          isFinal = true
        },
      })
    } catch (error) {
      const tookMs = performance.now() - started
      const reason = whyAgain(error, { ladder, tookMs, gaveWay: gaveWay.signal })
      if (reason === undefined || isFinal || signal?.aborted === true) throw error
      const seen = await holdersOf(ladder, tookMs)
      const holders = inTheWay(locks, seen.holders)
      const pauseMs = pauseAfter(attempts, budget.retry, Math.random())
      patience.spend(tookMs + pauseMs)
      course?.waited({
        durationMs: tookMs,
        gaveWay: true,
        inTheWay: [...(error instanceof NotNow ? error.holders : holders), ...seen.snapshots],
      })
      if (gaveWay.signal.aborted) gaveWayTimes += 1
      if (patience.isOver || gaveWayTimes >= mostTimesToGiveWay) {
        throw new LockNotFree(reason, {
          attempts,
          holders,
          snapshots: seen.snapshots,
          advice: adviceAbout(holders, seen.looker),
          hasBegun: course?.hasBegun ?? false,
          cause: error,
        })
      }
      vacuumed = seen.looker.mayHurry ? holders.filter(givesWay).map(({ relation }) => relation) : []
      await sleep(pauseMs, undefined, signal ? { signal } : {}).catch(() => undefined)
      course?.waited({ durationMs: pauseMs })
      throwIfAborted(signal, 'The run was stopped while it waited to try again for a lock.')
    }
  }
}

/** Why it is worth trying again, or nothing: the step failed for a reason that stays. */
function whyAgain(
  error: unknown,
  about: { readonly ladder: Ladder; readonly tookMs: number; readonly gaveWay: AbortSignal },
): string | undefined {
  const { ladder, tookMs, gaveWay } = about
  const { budget, waitsForSnapshots } = ladder
  // Each of its locks is asked for with the common limit, and the longer wait comes last.
  const limits = waitsForSnapshots && tookMs >= waitsForSnapshots.lockTimeoutMs ? waitsForSnapshots : budget
  const { statementTimeoutMs } = waitsForSnapshots ?? budget
  if (gaveWay.aborted && gaveWay.reason instanceof GaveWay) return `${gaveWay.reason.message}, so it gave way`
  if (error instanceof NotNow) return error.message
  if (hasSqlState(error, 'lockNotAvailable')) {
    // Only the first lock is waited for; one that is refused sooner is another.
    return tookMs < limits.lockTimeoutMs
      ? 'a lock was not free at once, and none is waited for with another in hand, so it gave way'
      : notFreeWithin(limits)
  }
  if (hasSqlState(error, 'deadlockDetected')) return 'the server ended it to resolve a deadlock'
  // A cancellation that comes sooner is not the timeout: somebody wants it to stop.
  if (hasSqlState(error, 'queryCanceled') && tookMs >= statementTimeoutMs) {
    return `a statement did not end within ${statementTimeoutMs} ms`
  }
  return undefined
}

/** `a lock was not free within 100 ms, so it gave way`, and why it was tried for less long than configured. */
export function notFreeWithin({ lockTimeoutMs, whyHeld }: DdlLimits): string {
  const why = whyHeld === undefined ? '' : ` (${whyHeld})`
  return `a lock was not free within ${lockTimeoutMs} ms${why}, so it gave way`
}

async function holdersOf(
  { client, signal, locks, waitsForSnapshots }: Ladder,
  tookMs: number,
): Promise<HoldersSeen> {
  // What has begun since cannot have been in the way.
  const waitedForSnapshotsMs =
    waitsForSnapshots && tookMs >= waitsForSnapshots.lockTimeoutMs
      ? waitsForSnapshots.lockTimeoutMs
      : undefined
  try {
    return await readLockHolders(
      client,
      { tables: locks.map(({ relation }) => relation), waitedForSnapshotsMs },
      { signal },
    )
  } catch {
    // Who it was is good to know; that the lock was not free is what counts.
    return nobodySeen
  }
}
