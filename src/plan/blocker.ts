import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TableLockMode } from './lock-conflicts.ts'
import { conflict } from './lock-conflicts.ts'
import type { LockUse } from './operation.ts'

/** A lock that is to be asked for. */
export type WantedLock = Pick<LockUse, 'relation' | 'mode'>

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
  /** As `pg_stat_activity` says it: `client backend`; an `autovacuum worker` is known without a right to see it. */
  readonly backendType?: string | undefined
  readonly application?: string | undefined
  readonly state?: string | undefined
  /** How long its transaction is open. */
  readonly ageMs?: number | undefined
  /** The beginning of its newest statement. */
  readonly query?: string | undefined
  /** What it runs, and since when, is kept from a role that is no member of `pg_read_all_stats`. */
  readonly hidden?: true
  /** An autovacuum that prevents transaction ID wraparound; never known of one that is hidden. */
  readonly preventsWraparound?: true
}

/** Who looked, and what the role may do about who is in the way. */
export interface Looker {
  /** The role, quoted where it has to be. */
  readonly role: string
  /** Whether it may set `deadlock_timeout`, which is what moves an autovacuum aside. */
  readonly mayHurry: boolean
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

/** Whether it is an autovacuum that gives way to whoever waits; one that prevents wraparound never does. */
export function givesWay(holder: LockHolder): boolean {
  return isAutovacuum(holder) && holder.preventsWraparound !== true
}

/** What to grant so that the next run gets further or says more, one sentence for each. */
export function adviceAbout(holders: readonly LockHolder[], { role, mayHurry }: Looker): readonly string[] {
  const vacuums = holders.filter(isAutovacuum)
  const stays = vacuums.some(({ preventsWraparound }) => preventsWraparound === true)
  const hidden = vacuums.some((holder) => holder.hidden === true)
  const advice: string[] = holders.flatMap((holder, index) =>
    holders.findIndex(({ pid }) => pid === holder.pid) === index ? adviceAboutIdle(holder) : [],
  )
  if (stays) {
    advice.push(
      'An autovacuum that prevents transaction ID wraparound gives way to nobody: wait until it has ended; pg_stat_progress_vacuum shows how far it is.',
    )
  } else if (vacuums.length > 0 && !mayHurry) {
    const except = hidden ? ', unless it prevents transaction ID wraparound' : ''
    advice.push(
      `An autovacuum gives way to a role that may set deadlock_timeout${except}: GRANT SET ON PARAMETER deadlock_timeout TO ${role}.`,
    )
  } else if (hidden) {
    advice.push(
      'An autovacuum gives way to this role, unless it prevents transaction ID wraparound, which is hidden from it.',
    )
  }
  if (holders.some((holder) => holder.hidden === true)) {
    advice.push(`To see what the sessions of other roles run: GRANT pg_read_all_stats TO ${role}.`)
  }
  return advice
}

/** A transaction that nobody works in may stay for ever. Short ones are idle, too, between two statements. */
const longIdleMs = 5_000

function adviceAboutIdle({ pid, state, ageMs = 0 }: LockHolder): readonly string[] {
  if (pid === undefined || state?.startsWith('idle in transaction') !== true || ageMs < longIdleMs) return []
  return [
    `The transaction of pid ${pid} stays until its program ends it; where its work may be lost, SELECT pg_terminate_backend(${pid}) does.`,
  ]
}

/** `pid 4711 (psql, idle in transaction, transaction open for 6 s, last statement: SELECT count(*) FROM events) holds ACCESS SHARE on app.events` */
export function describeHolder(holder: LockHolder): string {
  return `${describeSession(holder)} holds ${holder.mode} on ${formatTableName(holder.relation)}`
}

/** `pid 4711 (psql, idle in transaction, transaction open for 6 s, last statement: SELECT count(*) FROM events) has an older snapshot` */
export function describeSnapshot(holder: Holder): string {
  return `${describeSession(holder)} has an older snapshot`
}

/** `pid 4711 (psql)`, where there is no room for more. */
export function nameHolder(holder: Holder): string {
  if (holder.pid === undefined) return `the prepared transaction '${holder.prepared ?? ''}'`
  const kind = isAutovacuum(holder) ? 'an autovacuum' : (holder.application ?? '')
  return `pid ${holder.pid}${kind === '' ? '' : ` (${kind})`}`
}

function describeSession(holder: Holder): string {
  const who =
    holder.pid === undefined ? `the prepared transaction '${holder.prepared ?? ''}'` : `pid ${holder.pid}`
  const kind = isAutovacuum(holder) ? 'an autovacuum' : holder.application
  const hidden = holder.hidden === true ? 'its query is hidden' : ''
  // The age is the transaction's: how long it has been in this state is not asked.
  const since = holder.ageMs === undefined ? '' : `transaction open for ${seconds(holder.ageMs)} s`
  const about = [kind, holder.state, since, hidden]
    .filter((part) => part !== undefined && part !== '')
    .join(', ')
  // Its lock may come from an earlier one.
  const which = holder.state === 'active' ? 'statement' : 'last statement'
  const query =
    holder.query === undefined || holder.query === ''
      ? ''
      : `${about === '' ? '' : ', '}${which}: ${holder.query.replaceAll(/\s+/g, ' ')}`
  const said = about === '' && query === '' ? '' : ` (${about}${query})`
  return `${who}${said}`
}

function seconds(ms: number): string {
  return ms < 10_000 ? (ms / 1_000).toFixed(1) : String(Math.round(ms / 1_000))
}
