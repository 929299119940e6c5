import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'

/** Somebody who holds a lock on a table: a session, or a prepared transaction. */
export interface LockHolder {
  readonly relation: TableName
  /** As `pg_locks` spells it: `AccessShareLock`. */
  readonly mode: string
  /** Undefined for a prepared transaction. */
  readonly pid: number | undefined
  /** The name of a prepared transaction. */
  readonly prepared: string | undefined
  readonly application: string | undefined
  readonly state: string | undefined
  /** How long its transaction is open; undefined where the role may not see it. */
  readonly ageMs: number | undefined
  /** The beginning of its newest statement. */
  readonly query: string | undefined
}

/** `pid 4711 (psql, idle in transaction for 6 s: SELECT count(*) FROM events) holds AccessShareLock on app.events` */
export function describeHolder(holder: LockHolder): string {
  const who =
    holder.pid === undefined ? `the prepared transaction '${holder.prepared ?? ''}'` : `pid ${holder.pid}`
  const since = holder.ageMs === undefined ? '' : ` for ${seconds(holder.ageMs)} s`
  const state = holder.state === undefined ? since.trim() : `${holder.state}${since}`
  const about = [holder.application ?? '', state].filter((part) => part !== '').join(', ')
  const query = (holder.query ?? '') === '' ? '' : `: ${(holder.query ?? '').replaceAll(/\s+/g, ' ')}`
  const said = about === '' && query === '' ? '' : ` (${about}${query})`
  return `${who}${said} holds ${holder.mode} on ${formatTableName(holder.relation)}`
}

function seconds(ms: number): string {
  return ms < 10_000 ? (ms / 1_000).toFixed(1) : String(Math.round(ms / 1_000))
}
