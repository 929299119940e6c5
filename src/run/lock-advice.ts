/*
 * What to do so that the next run gets further, in sentences: for a step that failed again and again because of others.
 */

import type { LockBudget } from '../sql/lock-budget.ts'
import { connectionsPerRun } from './run-slots.ts'

export const aboutBusyProcess: string =
  'Run maintenance in a process that is not busy with other things, or raise lockTimeoutMs (under runtime in a configuration file).'

/** Nothing was locked and nobody has waited. */
export const tooFewConnections: string = `Each table that is worked on takes ${connectionsPerRun} connections to the server at a time: one for the lock, one for the change, one for the watch. Let the pool, the pooler (default_pool_size of PgBouncer) or the role (CONNECTION LIMIT) have so many that are free.`

/**
 * For a step that was ended `attempts` times, and so many of them at work, not waiting for anybody: it takes longer than
 * others may wait, with all the time in the world. Nothing where mostly somebody was in its way.
 */
export function tooLong(
  workedMs: readonly number[],
  { budget, attempts }: { readonly budget: LockBudget; readonly attempts: number },
): readonly string[] {
  if (workedMs.length * 2 <= attempts) return []
  const { lockTimeoutMs, whyHeld } = budget
  const patience = `${lockTimeoutMs} ms (${whyHeld ?? 'lockTimeoutMs'})`
  const raise =
    whyHeld === undefined
      ? 'raise lockTimeoutMs (under runtime in a configuration file), and deadlock_timeout, below which it stays,'
      : 'raise deadlock_timeout for the role'
  return [
    `It waited for nobody then: it had been at work for ${Math.round(Math.max(...workedMs))} ms and was not done, and others may wait ${patience}. More tries (giveUpAfterMs) would not help: ${raise} if others may wait longer, or do this one by hand in a quiet hour.`,
  ]
}
