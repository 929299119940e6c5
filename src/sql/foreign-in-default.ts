import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { RangeText } from '../plan/operation.ts'
import { refuse } from './look-again.ts'
import type { Sql } from './sql.ts'
import { literal, sql } from './sql.ts'
import type { Refusal, Row } from './statement.ts'

/**
 * The same question, and whether a foreign table is in DEFAULT, in one round trip.
 *
 * ATTACH does not look into a foreign table, so rows of the range would be out of sight there; and a row that is moved is
 * deleted on the other server in a transaction that commits before this one, and is lost where this one then does not. It
 * is asked before anything reads DEFAULT: to prepare that is to connect to the other server, with the locks in hand.
 */
export function withForeignIn({ schema, name }: TableName, ask: Sql): Sql {
  return sql`
WITH RECURSIVE fallback AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${literal(schema)} AND c.relname = ${literal(name)}
  UNION ALL SELECT i.inhrelid FROM fallback f JOIN pg_inherits i ON i.inhparent = f.oid)
SELECT seen.*, (SELECT min(c.oid::regclass::text) FROM fallback f JOIN pg_class c ON c.oid = f.oid AND c.relkind = 'f') AS remote
FROM (${ask}) AS seen`
}

export function refuseForeign(
  row: Row | undefined,
  { fallback, range }: { readonly fallback: TableName; readonly range: RangeText },
): Refusal | undefined {
  const remote = row?.['remote']
  if (typeof remote !== 'string') return undefined
  return refuse(
    'foreign',
    `${remote}, a foreign table, is in ${formatTableName(fallback)}: whether it holds rows from ${range.from} to ${range.to} cannot be checked under a lock`,
  )
}
