import type { DdlLimits } from './settings.ts'
import { lockTimeoutFor } from './settings.ts'

/** What one run may cost the others who use a table, and how long it tries. The one place where these figures live. */
export interface LockBudget extends DdlLimits {
  /** How long a run tries again, in all, for locks of one table that are not free; 0 tries once. */
  readonly giveUpAfterMs: number
  readonly retry: RetryLadder
}

/** The pauses between attempts: each longer than the last by `factor`, and none longer than `longestPauseMs`. */
export interface RetryLadder {
  readonly firstPauseMs: number
  readonly factor: number
  readonly longestPauseMs: number
  /** By which share a pause is longer or shorter at random, so that two who wait do not always meet again. */
  readonly jitter: number
  /**
   * How often a step is ended because others have waited behind it. Who has given way so often does not get done in the
   * time that they may wait, however often it is tried; and each time they have waited.
   */
  readonly mostTimesEnded: number
}

export const defaultBudget: LockBudget = {
  lockTimeoutMs: 100,
  statementTimeoutMs: 10_000,
  giveUpAfterMs: 15_000,
  retry: { firstPauseMs: 50, factor: 2, longestPauseMs: 1_000, jitter: 0.5, mostTimesEnded: 4 },
}

/** The pause after the attempt with this number, counted from 1; `random` is between 0 and 1. */
export function pauseAfter(attempt: number, ladder: RetryLadder, random: number): number {
  const pause = Math.min(ladder.longestPauseMs, ladder.firstPauseMs * ladder.factor ** (attempt - 1))
  return Math.round(pause * (1 + ladder.jitter * (2 * random - 1)))
}

/**
 * The most that a run that never gets its lock does: how often it tries, and how long others wait because of it, one
 * after the other and at once.
 *
 * Counted with the shortest pauses. A step that gets its locks and is ended by the watch costs as much each time, and
 * that comes no more than `mostTimesEnded` times for each step.
 */
export function worstCase(
  budget: LockBudget,
  deadlockTimeoutMs: number,
): { readonly attempts: number; readonly longestWaitMs: number; readonly waitsInAllMs: number } {
  const longestWaitMs = lockTimeoutFor(budget, deadlockTimeoutMs)
  let attempts = 1
  let passed = longestWaitMs
  for (;;) {
    passed += pauseAfter(attempts, budget.retry, 0)
    if (passed >= budget.giveUpAfterMs)
      return { attempts, longestWaitMs, waitsInAllMs: attempts * longestWaitMs }
    attempts += 1
    passed += longestWaitMs
  }
}
