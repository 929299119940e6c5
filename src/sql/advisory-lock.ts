import { createHash } from 'node:crypto'
import type { TableName } from '../model/table-name.ts'
import { turnBackOn, turnOff } from './settings.ts'
import type { Sql } from './sql.ts'
import { literal, sql } from './sql.ts'

/** The 64-bit key of a table's lock: the first eight bytes of SHA-256 over prefix, schema and name, NUL between them. */
export function advisoryLockKey(prefix: string, { schema, name }: TableName): bigint {
  // PostgreSQL's names hold no NUL, so two different tables never give the same text.
  return createHash('sha256').update(`${prefix}\0${schema}\0${name}`).digest().readBigInt64BE(0)
}

/** Takes the lock for the session, or answers `false` at once when another session has it. */
export function tryAdvisoryLock(key: bigint): Sql {
  return sql`SELECT pg_catalog.pg_try_advisory_lock(${number(key)})::pg_catalog.text AS locked`
}

export function advisoryUnlock(key: bigint): Sql {
  return sql`SELECT pg_catalog.pg_advisory_unlock(${number(key)})::pg_catalog.text AS unlocked`
}

/** Who holds the lock, in this database; what a role may not see of another's session is null. */
export function advisoryLockHolder(key: bigint): Sql {
  return sql`
SELECT l.pid::pg_catalog.text AS pid, a.application_name AS application_name,
       pg_catalog.to_char(pg_catalog.timezone('UTC', a.backend_start), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS backend_start
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE ${isLockOf(key)}`
}

/** Whether the session that asks holds the lock, and which session that is. */
export function isAdvisoryLockHeldHere(key: bigint): Sql {
  return sql`
SELECT pg_catalog.pg_backend_pid()::pg_catalog.text AS pid,
       EXISTS (SELECT FROM pg_catalog.pg_locks l
               WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND ${isLockOf(key)})::pg_catalog.text AS held`
}

/** `idle_session_timeout` would end the session that holds the lock. Answers with a row when there was one to turn off. */
export const keepIdleSession: Sql = turnOff(['idle_session_timeout'])

export const idleSessionTimeoutBack: Sql = turnBackOn(['idle_session_timeout'])

/**
 * A key of 64 bits is shown as two halves, with `objsubid` 1. Even the operators name their schema: the session's
 * `search_path` may have another schema first.
 */
function isLockOf(key: bigint): Sql {
  const bits = BigInt.asUintN(64, key)
  return sql`l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 1 AND l.granted
      AND l.classid OPERATOR(pg_catalog.=) ${literal(String(bits >> 32n))}::pg_catalog.oid
      AND l.objid OPERATOR(pg_catalog.=) ${literal(String(bits & 0xffff_ffffn))}::pg_catalog.oid
      AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())`
}

function number(key: bigint): Sql {
  return sql`${literal(String(key))}::pg_catalog.int8`
}
