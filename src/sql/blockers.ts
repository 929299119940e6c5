import type { TableName } from '../model/table-name.ts'
import type { Holder, LockHolder, Looker } from '../plan/blocker.ts'
import { lockModeFrom } from '../plan/lock-conflicts.ts'
import type { Sql } from './sql.ts'
import { join, literal, qualified, sql, wholeNumber } from './sql.ts'
import type { Row } from './statement.ts'

/*
 * Questions about who waits for whom. They are asked in a transaction of their own, whose settings `pinSettings` has
 * fixed, and lock nothing of a user's.
 */

/**
 * Who holds locks on the tables: sessions and prepared transactions.
 *
 * Without `pg_read_all_stats` the server keeps back what sessions of other roles run, and since when. An autovacuum is
 * told all the same: among what is connected to a database and locks tables, it alone has no role. A prepared
 * transaction keeps the virtual ID of the session that prepared it, and is found by the lock on its own ID.
 */
export function lockHolders(tables: readonly TableName[]): Sql {
  const names = join(
    tables.map(({ schema, name }) => sql`(${literal(schema)}, ${literal(name)})`),
    sql`, `,
  )
  return sql`
SELECT n.nspname::text AS schema, c.relname::text AS name, l.mode, l.pid::text AS pid, x.gid AS prepared,
       coalesce(a.backend_type, CASE WHEN l.pid IS NULL THEN 'prepared transaction'
                                     WHEN a.datid IS NOT NULL AND a.usesysid IS NULL THEN 'autovacuum worker' END) AS backend_type,
       a.application_name AS application, a.state, (a.pid IS NOT NULL AND a.backend_start IS NULL)::text AS hidden,
       CASE WHEN a.backend_start IS NOT NULL THEN left(a.query, 100) END AS query,
       (a.backend_type = 'autovacuum worker' AND a.query LIKE '%(to prevent wraparound)')::text AS prevents_wraparound,
       floor(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, x.prepared)) * 1000)::bigint::text AS age_ms,
       quote_ident(current_user) AS role, has_parameter_privilege('deadlock_timeout', 'SET')::text AS may_hurry
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN (
  SELECT own.virtualtransaction, p.gid, p.prepared FROM pg_prepared_xacts p
  JOIN pg_locks own ON own.pid IS NULL AND own.locktype = 'transactionid' AND own.transactionid = p.transaction
) x ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND (n.nspname, c.relname) IN (${names})
ORDER BY coalesce(a.xact_start, x.prepared), a.usesysid IS NOT NULL, l.pid`
}

/**
 * Whose snapshots a statement has waited for that took so long: those of the database whose transaction is as old. The
 * server waits for no vacuum.
 */
export function snapshotHolders(atLeastMs: number): Sql {
  return sql`
SELECT a.pid::text AS pid, NULL AS prepared, a.backend_type, a.application_name AS application, a.state,
       (a.backend_start IS NULL)::text AS hidden, CASE WHEN a.backend_start IS NOT NULL THEN left(a.query, 100) END AS query,
       floor(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint::text AS age_ms
FROM pg_stat_activity a
WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.usesysid IS NOT NULL AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
  AND coalesce(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000 >= ${wholeNumber(atLeastMs)}, true)
ORDER BY a.xact_start, a.pid`
}

/** Reads a row that `lockHolders` answers with; nothing for a lock mode that is not known. */
export function readHolder(row: Row): readonly LockHolder[] {
  const text = textIn(row)
  const mode = lockModeFrom(text('mode') ?? '')
  if (mode === undefined) return []
  return [{ relation: { schema: text('schema') ?? '', name: text('name') ?? '' }, mode, ...readSession(row) }]
}

/** The same without the lock. */
export function readSession(row: Row): Holder {
  const text = textIn(row)
  const number = (column: string): number | undefined => {
    const value = text(column)
    return value === undefined ? undefined : Number(value)
  }
  return {
    pid: number('pid'),
    prepared: text('prepared'),
    backendType: text('backend_type'),
    application: text('application'),
    state: text('state'),
    ageMs: number('age_ms'),
    query: text('query'),
    ...(row['hidden'] === 'true' && { hidden: true }),
    ...(row['prevents_wraparound'] === 'true' && { preventsWraparound: true }),
  }
}

function textIn(row: Row): (column: string) => string | undefined {
  return (column) => {
    const value = row[column]
    return typeof value === 'string' ? value : undefined
  }
}

/** Who asked `lockHolders`; every row says it. */
export function readLooker(row: Row | undefined): Looker {
  return { role: String(row?.['role']), mayHurry: row?.['may_hurry'] === 'true' }
}

/** Who waits behind a session, and whom it waits for itself. */
export interface Waiting {
  readonly waiting: number
  /** How long the one has waited who has waited longest. */
  readonly longestMs: number
  /** One of them waits for a lock that the session has in hand while it waits itself. */
  readonly isInHand: boolean
  /** The sessions that it waits for itself, looked at only when somebody waits; 0 stands for a prepared transaction. */
  readonly blockers: readonly number[]
}

/**
 * How many wait behind a session, for how long the one who has waited longest, whom it waits for itself, and whether any
 * of them waits for a lock that it has in hand while it waits itself: then they can become part of a deadlock.
 */
export function waitingBehind(pid: number): Sql {
  const session = sql`${literal(String(pid))}::int`
  return sql`
WITH l AS MATERIALIZED (SELECT * FROM pg_locks), own AS (SELECT * FROM l WHERE pid = ${session})
SELECT count(*)::text AS waiting,
       floor(coalesce(extract(epoch FROM max(clock_timestamp() - l.waitstart)), 0) * 1000)::bigint::text AS longest_ms,
       (EXISTS (SELECT FROM own WHERE NOT granted)
        AND coalesce(bool_or(EXISTS (SELECT FROM own WHERE granted AND relation = l.relation AND database = l.database)), false))::text AS in_hand,
       CASE WHEN count(*) > 0 THEN array_to_string(pg_blocking_pids(${session}), ',') END AS blockers
FROM l
WHERE NOT l.granted AND ${session} = ANY (pg_blocking_pids(l.pid))`
}

/** An autovacuum is in the way of this, and nobody who reads or writes is, nor has to wait for it. */
export function waitForAutovacuum(table: TableName): Sql {
  return sql`LOCK TABLE ONLY ${qualified(table)} IN SHARE UPDATE EXCLUSIVE MODE`
}

/**
 * The same for a statement and the session that pins a name for it, with how long the statement has waited itself for the
 * lock of a table or for the row of one in the catalog, and whether it has got as far as the pin is for.
 */
export function waitingWhilePinned(
  isPending: Sql,
  { pin, command }: { readonly pin: number; readonly command: number },
): Sql {
  const session = sql`${literal(String(command))}::int`
  const both = sql`ARRAY[${literal(String(pin))}, ${literal(String(command))}]::int[]`
  return sql`
SELECT (${isPending}) AS pending, w.waiting::text, w.blockers,
       floor(coalesce(extract(epoch FROM w.longest), 0) * 1000)::bigint::text AS longest_ms,
       floor(coalesce(extract(epoch FROM w.own), 0) * 1000)::bigint::text AS own_ms
FROM (
  SELECT count(*) FILTER (WHERE l.pid <> ${session}) AS waiting,
         max(clock_timestamp() - l.waitstart) FILTER (WHERE l.pid <> ${session}) AS longest,
         max(clock_timestamp() - l.waitstart) FILTER (WHERE l.pid = ${session} AND l.locktype IN ('relation', 'tuple', 'transactionid')) AS own,
         CASE WHEN count(*) > 0 THEN array_to_string(pg_blocking_pids(${session}), ',') END AS blockers
  FROM pg_locks l
  WHERE NOT l.granted AND (l.pid = ${session} OR pg_blocking_pids(l.pid) && ${both})
) w`
}

/** Reads what `waitingBehind` and `waitingWhilePinned` answer with. */
export function readWaiting(row: Row | undefined): Waiting & { readonly ownMs: number } {
  const text = textIn(row ?? {})
  const number = (column: string): number => Number(text(column) ?? 0)
  return {
    waiting: number('waiting'),
    longestMs: number('longest_ms'),
    isInHand: text('in_hand') === 'true',
    ownMs: number('own_ms'),
    blockers: (text('blockers') ?? '').split(',').filter(Boolean).map(Number),
  }
}

export function cancelSession(pid: number): Sql {
  return sql`SELECT pg_cancel_backend(${literal(String(pid))}::int)`
}

/** Has the server look for a deadlock soon: it is that look which asks an autovacuum to give way to a waiter. */
export const hurryAutovacuum: Sql = sql`SELECT pg_catalog.set_config('deadlock_timeout', '20ms', true)`
