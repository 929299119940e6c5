import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { LockUse } from './operation.ts'

/** A lock that is to be asked for. */
export type WantedLock = Pick<LockUse, 'relation' | 'mode'>
import type { TableLockMode } from './lock-conflicts.ts'
import { conflict } from './lock-conflicts.ts'

/** Somebody who holds a lock on a table: a session, or a prepared transaction. */
export interface LockHolder extends Holder {
  readonly relation: TableName
  readonly mode: TableLockMode
}

export interface Holder {
  /** Undefined for a prepared transaction. */
  readonly pid?: number | undefined
  /** The name of a prepared transaction. */
  readonly prepared?: string | undefined
  /** As `pg_stat_activity` says it: `client backend`, `autovacuum worker`. */
  readonly backendType?: string | undefined
  readonly application?: string | undefined
  readonly state?: string | undefined
  /** How long its transaction is open. */
  readonly ageMs?: number | undefined
  /** The beginning of its newest statement. */
  readonly query?: string | undefined
}

/** Those who are in the way of a lock, the oldest transaction first. */
export function inTheWay(
  locks: readonly WantedLock[],
  holders: readonly LockHolder[],
): readonly LockHolder[] {
  const seen = new Set<number | string>()
  return holders.filter((holder) => {
    const table = formatTableName(holder.relation)
    const id = holder.pid ?? holder.prepared ?? ''
    const isInTheWay = locks.some(
      ({ relation, mode }) => formatTableName(relation) === table && conflict(mode, holder.mode),
    )
    if (!isInTheWay || seen.has(id)) return false
    seen.add(id)
    return true
  })
}

export function isAutovacuum({ backendType }: Holder): boolean {
  return backendType === 'autovacuum worker'
}

/** `pid 4711 (psql, idle in transaction for 6 s: SELECT count(*) FROM events) holds ACCESS SHARE on app.events` */
export function describeHolder(holder: LockHolder): string {
  return `${describeSession(holder)} holds ${holder.mode} on ${formatTableName(holder.relation)}`
}

/** `pid 4711 (psql, idle in transaction for 6 s: SELECT count(*) FROM events) has an older snapshot` */
export function describeSnapshot(holder: Holder): string {
  return `${describeSession(holder)} has an older snapshot`
}

function describeSession(holder: Holder): string {
  const who =
    holder.pid === undefined ? `the prepared transaction '${holder.prepared ?? ''}'` : `pid ${holder.pid}`
  const kind = isAutovacuum(holder) ? 'an autovacuum' : holder.application
  const since = holder.ageMs === undefined ? '' : ` for ${seconds(holder.ageMs)} s`
  const state = holder.state === undefined ? since.trim() : `${holder.state}${since}`
  const about = [kind, state].filter((part) => part !== undefined && part !== '').join(', ')
  const query =
    holder.query === undefined || holder.query === '' ? '' : `: ${holder.query.replaceAll(/\s+/g, ' ')}`
  const said = about === '' && query === '' ? '' : ` (${about}${query})`
  return `${who}${said}`
}

function seconds(ms: number): string {
  return ms < 10_000 ? (ms / 1_000).toFixed(1) : String(Math.round(ms / 1_000))
}
