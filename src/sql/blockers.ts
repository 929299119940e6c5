import type { TableName } from '../model/table-name.ts'
import type { LockHolder } from '../plan/blocker.ts'
import type { Sql } from './sql.ts'
import { join, literal, sql } from './sql.ts'
import type { Row } from './statement.ts'

/**
 * Who holds locks on the tables: sessions and prepared transactions, the oldest first.
 *
 * Without `pg_read_all_stats` the server keeps back what sessions of other roles run, and since when.
 */
export function lockHolders(tables: readonly TableName[]): Sql {
  const names = join(
    tables.map(({ schema, name }) => sql`(${literal(schema)}, ${literal(name)})`),
    sql`, `,
  )
  return sql`
SELECT n.nspname::text AS schema, c.relname::text AS name, l.mode, l.pid::text AS pid, x.gid AS prepared,
       a.application_name AS application, a.state, left(a.query, 100) AS query,
       floor(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, x.prepared)) * 1000)::bigint::text AS age_ms
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts x ON l.pid IS NULL AND l.virtualtransaction = '-1/' || x.transaction::text
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND (n.nspname, c.relname) IN (${names})
ORDER BY coalesce(a.xact_start, x.prepared), l.pid`
}

/** Reads a row that `lockHolders` answers with. */
export function readHolder(row: Row): LockHolder {
  const text = (column: string): string | undefined => {
    const value = row[column]
    return typeof value === 'string' ? value : undefined
  }
  const number = (column: string): number | undefined => {
    const value = text(column)
    return value === undefined ? undefined : Number(value)
  }
  return {
    relation: { schema: text('schema') ?? '', name: text('name') ?? '' },
    mode: text('mode') ?? '',
    pid: number('pid'),
    prepared: text('prepared'),
    application: text('application'),
    state: text('state'),
    ageMs: number('age_ms'),
    query: text('query'),
  }
}
