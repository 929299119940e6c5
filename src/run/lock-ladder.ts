import { setTimeout as sleep } from 'node:timers/promises'

import { ConnectionFailedError } from '../errors.ts'
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
import { GaveWay, isEndedEarly, NotNow, Unwatched } from './gave-way.ts'
import type { EndedEarly } from './gave-way.ts'
import { tooLong, tooFewConnections, aboutBusyProcess } from './lock-advice.ts'
import type { Watching } from './lock-watch.ts'
import { watchOver } from './lock-watch.ts'
import type { Patience } from './patience.ts'
import { throwIfAborted } from './run-aborted.ts'
import type { Session } from './session.ts'
import { roundTripMs } from './session.ts'
import { describeError, hasSqlState } from './sql-state.ts'

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
   * Watches a session until that is stopped; `waits` is for one that waits on its own for others
   * who hold locks. Rejects where there is no connection to do it with.
   */
  watch(session: Pick<Session, 'pid'>, options?: { readonly waits: boolean }): Promise<Watching>
  /** For how long a transaction with locks may hear nothing from this process, where somebody else could be waiting. */
  readonly idleMs: number | undefined
  /** Says that the step must not be tried again if it fails from here on. */
  noMore(): void
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
 * The least time that a process may be busy with something else. Others who use it, and the garbage collector, take some
 * of it every now and then, also where others may wait for a few milliseconds only.
 */
const leastIdleMs = 100

/** Tries a step again, with longer and longer pauses, for as long as it fails only because others are at work. */
export async function tryUntilFree<T>(ladder: Ladder, step: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { client, signal, budget, patience, locks, course } = ladder
  let vacuumed: readonly TableName[] = []
  let timesEnded = 0
  let worked: readonly number[] = []
  let seen = nobodySeen
  if (patience.takePause()) {
    patience.spend(budget.retry.longestPauseMs)
    await pauseFor(budget.retry.longestPauseMs, signal)
  }
  for (let attempts = 1; ; attempts++) {
    const started = performance.now()
    const gaveWay = new AbortController()
    let isFinal = false
    try {
      return await step({
        signal: signal ? AbortSignal.any([signal, gaveWay.signal]) : gaveWay.signal,
        number: attempts,
        vacuumed,
        // What is on its way to this process and back is not left alone.
        idleMs: client.capabilities.concurrentSessions
          ? Math.max(leastIdleMs, budget.lockTimeoutMs) + 2 * roundTripMs(client)
          : undefined,
        watch: ({ pid }, { waits } = { waits: false }) =>
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
      const ended = endedEarly(error, gaveWay.signal)
      const isLate = hasSqlState(error, 'idleInTransactionSessionTimeout')
      const reason = ended?.message ?? whyAgain(error, { ladder, tookMs })
      if (reason === undefined || isFinal || signal?.aborted === true) throw error
      const seenNow = isLate ? nobodySeen : await holdersOf(ladder, { ended, tookMs })
      // Those who wait behind it can be there before it has come to the one that it waits for itself.
      if (seenNow.holders.length > 0 || !(ended instanceof GaveWay)) seen = seenNow
      const holders = inTheWay(locks, seen.holders)
      const pauseMs = pauseAfter(attempts, budget.retry, Math.random())
      patience.spend(tookMs + pauseMs)
      course?.waited({
        durationMs: tookMs,
        gaveWay: true,
        inTheWay: [...(error instanceof NotNow ? error.holders : holders), ...seen.snapshots],
      })
      // What ended in one of these ways had locks that others may have waited for.
      if (isLate || hadLocks(ended)) timesEnded += 1
      // Where it waited for nobody itself, it was its own work that took so long.
      if (ended instanceof GaveWay && ended.blockers.length === 0) worked = [...worked, ended.ranMs ?? tookMs]
      if (patience.isOver || timesEnded >= budget.retry.mostTimesEnded) {
        patience.giveUp(seen.holders)
        const advice = isLate
          ? [aboutBusyProcess]
          : isUnbegun(ended)
            ? [tooFewConnections]
            : [...tooLong(worked, { budget, attempts }), ...adviceAbout(holders, seen.looker)]
        throw new LockNotFree(reason, {
          attempts,
          holders,
          snapshots: seen.snapshots,
          advice,
          hasBegun: course?.hasBegun ?? false,
          cause: error,
        })
      }
      vacuumed = seen.looker.mayHurry ? holders.filter(givesWay).map(({ relation }) => relation) : []
      course?.waited({ durationMs: pauseMs })
      await pauseFor(pauseMs, signal)
    }
  }
}

function hadLocks(ended: EndedEarly | undefined): boolean {
  return ended instanceof GaveWay || (ended instanceof Unwatched && ended.hadBegun)
}

function isUnbegun(ended: EndedEarly | undefined): boolean {
  return ended instanceof Unwatched && !ended.hadBegun
}

async function pauseFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal ? { signal } : {}).catch(() => undefined)
  throwIfAborted(signal, 'The run was stopped while it waited to try again for a lock.')
}

/** What ended the attempt, where it was not the server; a connection that was lost says more. */
function endedEarly(error: unknown, gaveWay: AbortSignal): EndedEarly | undefined {
  if (isEndedEarly(error)) return error
  if (error instanceof ConnectionFailedError) return undefined
  return gaveWay.aborted && isEndedEarly(gaveWay.reason) ? gaveWay.reason : undefined
}

/** Why it is worth trying again, or nothing: the step failed for a reason that stays. */
function whyAgain(
  error: unknown,
  { ladder, tookMs }: { readonly ladder: Ladder; readonly tookMs: number },
): string | undefined {
  const { budget, waitsForSnapshots } = ladder
  // Each of its locks is asked for with the common limit, and the longer wait comes last.
  const limits = waitsForSnapshots && tookMs >= waitsForSnapshots.lockTimeoutMs ? waitsForSnapshots : budget
  const { statementTimeoutMs } = waitsForSnapshots ?? budget
  if (hasSqlState(error, 'idleInTransactionSessionTimeout'))
    return 'this process was held up while it had locks in hand, so the server took them back'
  if (hasSqlState(error, 'lockNotAvailable')) {
    // Only the first lock is waited for; one that is refused sooner is another.
    return tookMs < limits.lockTimeoutMs
      ? 'a lock was not free at once, and none is waited for with another in hand, so it gave way'
      : notFreeWithin(limits)
  }
  if (isConcurrentUpdate(error)) return 'another session changed the same table in the catalog in that moment'
  if (hasSqlState(error, 'deadlockDetected')) return 'the server ended it to resolve a deadlock'
  // A cancellation that comes sooner is not the timeout: somebody wants it to stop.
  if (hasSqlState(error, 'queryCanceled') && tookMs >= statementTimeoutMs) {
    return `a statement did not end within ${statementTimeoutMs} ms`
  }
  return undefined
}

/** GRANT and ALTER .. OWNER change the row of a table in the catalog without a lock of the table; the server does not translate this. */
function isConcurrentUpdate(error: unknown): boolean {
  return hasSqlState(error, 'internalError') && describeError(error).includes('tuple concurrently ')
}

/** `a lock was not free within 100 ms, so it gave way`, and why it was tried for less long than configured. */
export function notFreeWithin({ lockTimeoutMs, whyHeld }: DdlLimits): string {
  const why = whyHeld === undefined ? '' : ` (${whyHeld})`
  return `a lock was not free within ${lockTimeoutMs} ms${why}, so it gave way`
}

interface EndedAttempt {
  readonly ended: EndedEarly | undefined
  readonly tookMs: number
}

/** Who was in the way: not those who have waited behind the attempt, and hold now what they waited for. */
async function holdersOf(
  { client, signal, locks, budget, waitsForSnapshots }: Ladder,
  { ended, tookMs }: EndedAttempt,
): Promise<HoldersSeen> {
  const blockers = ended instanceof GaveWay ? new Set(ended.blockers) : undefined
  if (ended instanceof Unwatched || blockers?.size === 0) return nobodySeen
  // What has begun since cannot have been in the way.
  const waitedForSnapshotsMs =
    waitsForSnapshots && tookMs >= waitsForSnapshots.lockTimeoutMs
      ? waitsForSnapshots.lockTimeoutMs
      : undefined
  try {
    const seen = await readLockHolders(
      client,
      { tables: locks.map(({ relation }) => relation), waitedForSnapshotsMs },
      { signal },
    )
    const wasThere = ({ pid = 0, ageMs = Infinity }: LockHolder): boolean =>
      blockers ? blockers.has(pid) : ageMs >= Math.min(tookMs, budget.lockTimeoutMs)
    return { ...seen, holders: seen.holders.filter(wasThere) }
  } catch {
    // Who it was is good to know; that the lock was not free is what counts.
    return nobodySeen
  }
}
