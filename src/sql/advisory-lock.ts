import { createHash } from 'node:crypto'
import type { TableName } from '../model/table-name.ts'
import { beginText } from './begin.ts'
import { noticeLostClient } from './client-check.ts'
import type { Sql } from './sql.ts'
import { literal, sql, trustedSql } from './sql.ts'

/** The 64-bit key of a table's lock: the first eight bytes of SHA-256 over prefix, schema and name, NUL between them. */
export function advisoryLockKey(prefix: string, { schema, name }: TableName): bigint {
  // PostgreSQL's names hold no NUL, so two different tables never give the same text.
  return createHash('sha256').update(`${prefix}\0${schema}\0${name}`).digest().readBigInt64BE(0)
}

/**
 * Begins the transaction that holds the lock. It only reads and writes nothing, so it has no transaction ID; and at
 * READ COMMITTED no snapshot outlives a statement. However long it lasts, VACUUM does not have to wait for it.
 */
export const beginLockTransaction: string = beginText({ readOnly: true })

/**
 * Takes the lock until the end of the transaction, or answers `false` at once when another session has it.
 *
 * What would end a session that waits in a transaction is turned off, for this transaction alone; a timeout that this
 * server does not know is left out. A client that is gone with the network is noticed. The transaction must not lock any table, so nothing here reads one.
 */
export function tryAdvisoryLock(key: bigint): Sql {
  return sql`
SELECT pg_catalog.pg_try_advisory_xact_lock(${number(key)})::pg_catalog.text AS locked,
       ${processAndBegin},
       pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true) AS idle,
       CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true) END AS transaction,
       ${trustedSql(noticeLostClient)}`
}

/** Who holds the lock, in this database; what a role may not see of another's session is null. */
export function advisoryLockHolder(key: bigint): Sql {
  return sql`
SELECT l.pid::pg_catalog.text AS pid, a.application_name AS application_name,
       pg_catalog.to_char(pg_catalog.timezone('UTC', a.xact_start), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start)
         OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8::pg_catalog.text AS held_for_ms
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE ${isKey(key)}
  AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())`
}

const processAndBegin = sql`pg_catalog.pg_backend_pid()::pg_catalog.text AS pid,
       pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp())::pg_catalog.text AS begun`

/**
 * Which process answers, and when the transaction began that it is in: by both, a transaction is known again.
 *
 * To look for the lock itself in `pg_locks` would stop all others at the server's lock table for a moment.
 */
export const whichTransaction: Sql = sql`SELECT ${processAndBegin}`

/**
 * A key of 64 bits is shown as two halves, with `objsubid` 1. Even the operators name their schema: the session's
 * `search_path` may have another schema first.
 */
function isKey(key: bigint): Sql {
  const bits = BigInt.asUintN(64, key)
  return sql`l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 1 AND l.granted
      AND l.classid OPERATOR(pg_catalog.=) ${literal(String(bits >> 32n))}::pg_catalog.oid
      AND l.objid OPERATOR(pg_catalog.=) ${literal(String(bits & 0xffff_ffffn))}::pg_catalog.oid`
}

function number(key: bigint): Sql {
  return sql`${literal(String(key))}::pg_catalog.int8`
}
