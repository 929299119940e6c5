import type { TableName } from '../model/table-name.ts'
import type { LockHolder } from '../plan/blocker.ts'
import { describeHolder, inTheWay } from '../plan/blocker.ts'
import { holdersOf } from './lock-holders.ts'
import type { Session } from './session.ts'
import { describeError, hasSqlState } from './sql-state.ts'

/**
 * Why rows of the tables could not be read, without a full stop: who has one of them locked, where that is why, or the
 * server's words. Asked after the transaction that failed.
 */
export async function whyUnread(
  session: Session,
  error: unknown,
  tables: readonly TableName[],
): Promise<string> {
  if (!hasSqlState(error, 'lockNotAvailable')) return describeError(error)
  const others = (await holders(session, tables)).map(describeHolder)
  const who = others.length === 0 ? '' : `: ${others.slice(0, 3).join('; ')}`
  return `a lock on ${tables.length === 1 ? 'it' : 'one of them'} was not free in time${who}`
}

async function holders(session: Session, tables: readonly TableName[]): Promise<readonly LockHolder[]> {
  if (tables.length === 0) return []
  const locks = tables.map((relation) => ({ relation, mode: 'ACCESS SHARE' }) as const)
  try {
    return inTheWay(locks, (await holdersOf(session, { tables })).holders)
  } catch {
    // Who it was is good to know; that the lock was not free is what counts.
    return []
  }
}
