/** What a test compares before and after: the catalog, rows, comments, triggers, and what sessions leave behind. */

import type { Pool } from 'pg'
import { expect } from 'vitest'
import { withoutMarker } from '../../src/model/marker.ts'
import { formatTableName } from '../../src/index.ts'
import type { TestDatabase } from './database.ts'

const ofUsers = `n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'`

export interface CatalogState {
  readonly relations: readonly { readonly oid: string; readonly name: string; readonly version: string }[]
  readonly rest: unknown
}

/** Every row of the catalog that DDL of ours could write, with the transaction that wrote it. */
export async function catalogOf(database: TestDatabase): Promise<CatalogState> {
  const relations = await database.sql(
    `SELECT c.oid::text AS oid, n.nspname, c.relname, c.relkind, c.xmin::text AS version
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE ${ofUsers} AND c.relkind IN ('r', 'p', 'f') ORDER BY c.oid`,
  )
  const rest = await database.sql(
    `SELECT 'inherits' AS what, i.inhrelid::text AS key, i.xmin::text AS version, i.inhdetachpending::text AS state
     FROM pg_inherits i
     UNION ALL SELECT 'comment', d.objoid || '/' || d.objsubid, d.xmin::text, d.description
     FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${ofUsers}
     UNION ALL SELECT 'trigger', t.oid::text, t.xmin::text, t.tgenabled::text FROM pg_trigger t
     UNION ALL SELECT 'constraint', k.oid::text, k.xmin::text, k.convalidated::text
     FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE ${ofUsers}
     UNION ALL SELECT 'index', i.indexrelid::text, i.xmin::text, i.indisvalid::text
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${ofUsers}
     ORDER BY 1, 2`,
  )
  return {
    relations: relations.map(({ oid, nspname, relname, version }) => ({
      oid: String(oid),
      name: formatTableName({ schema: String(nspname), name: String(relname) }),
      version: String(version),
    })),
    rest,
  }
}

/** How many rows the tables show together, and a sum over them that no change leaves as it is; less those of others. */
export async function rowsOf(
  database: TestDatabase,
  tables: readonly string[],
  less: readonly string[] = [],
): Promise<unknown> {
  const [parent = ''] = tables
  const [row] = await database.sql(
    `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS list FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
    [parent],
  )
  const columns = String(row?.['list'])
  const counted = (table: string, sign: string): string =>
    `SELECT ${sign}count(*) AS n, ${sign}coalesce(sum(hashtextextended(ROW(${columns})::text, 0)::numeric), 0) AS hash FROM ${table}`
  const parts = [...tables.map((table) => counted(table, '')), ...less.map((table) => counted(table, '-'))]
  const sum = await database.sql(
    `SELECT sum(n)::text AS n, sum(hash)::text AS hash FROM (${parts.join(' UNION ALL ')}) AS all_of_them`,
  )
  return sum[0]
}

/** The comments of users by OID: what is left when our marker is taken away. */
export async function commentsOf(database: TestDatabase): Promise<ReadonlyMap<string, unknown>> {
  const rows = await database.sql(
    `SELECT c.oid::text AS oid, obj_description(c.oid, 'pg_class') AS comment
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${ofUsers}`,
  )
  return new Map(
    rows.map(({ oid, comment }) => [
      String(oid),
      withoutMarker(typeof comment === 'string' ? comment : null, 'pg-partsmith'),
    ]),
  )
}

/** Whether each trigger is enabled, by the trigger's OID. */
export async function triggersOf(database: TestDatabase): Promise<ReadonlyMap<string, unknown>> {
  const rows = await database.sql('SELECT oid::text AS oid, tgenabled FROM pg_trigger')
  return new Map(rows.map(({ oid, tgenabled }) => [String(oid), tgenabled]))
}

/** With every name qualified: in a session that was set up to be hostile nothing else is certain to mean the same. */
const settingsLeft = `
SELECT s.name, s.setting, s.reset_val FROM pg_catalog.pg_settings s
WHERE s.setting OPERATOR(pg_catalog.<>) s.reset_val
  AND s.name OPERATOR(pg_catalog.~) '^(lock_timeout|statement_timeout|TimeZone|DateStyle|search_path|row_security)$'`

/**
 * Fails where a session is still in a transaction, holds an advisory lock, or has a setting that is not its own.
 *
 * `pool` is the one that the tool was given.
 */
export async function leftBehind(database: TestDatabase, pool: Pool = database.pool): Promise<void> {
  const busy = await database.sql(
    `SELECT a.state, a.query FROM pg_stat_activity a
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
       AND (a.state LIKE 'idle in transaction%'
         OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'))`,
  )
  expect(busy, 'sessions left behind').toEqual([])
  // All of them at once, so nothing else may be asked of this pool meanwhile.
  const clients = await Promise.all(
    Array.from({ length: Math.max(1, pool.totalCount) }, () => pool.connect()),
  )
  try {
    for (const client of clients) {
      expect((await client.query(settingsLeft)).rows, 'settings left behind').toEqual([])
    }
  } finally {
    for (const client of clients) client.release()
  }
  const marked = await database.sql(
    `SELECT c.relname FROM pg_class c JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass
     WHERE d.objsubid = 0 AND d.description LIKE 'pg-partsmith:building-parent=%' AND c.relispartition`,
  )
  expect(marked, 'building markers on attached partitions').toEqual([])
}
