import type { TimeKeyType } from '../model/key-codec.ts'
import type { TableName } from '../model/table-name.ts'
import type { Sql } from './sql.ts'
import { ident, join, literal, qualified, sql, wholeNumber } from './sql.ts'

/*
 * Questions about the rows of DEFAULT, for a report. They are asked in one read-only transaction with one snapshot, so
 * that their answers are about the same rows, and no answer may be needed to go on.
 */

/** Which pages of DEFAULT are read: all, or a share of them, the same ones in every question. */
export interface Pages {
  readonly table: TableName
  readonly key: string
  /** Up to 1. */
  readonly share: number
}

/** The size of the heap, that of the leaves added up where DEFAULT is partitioned itself. */
export function sizeOfDefault({ schema, name }: TableName): Sql {
  return sql`
WITH RECURSIVE fallback AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ${literal(schema)} AND c.relname = ${literal(name)}
  UNION ALL SELECT i.inhrelid FROM fallback f JOIN pg_inherits i ON i.inhparent = f.oid)
SELECT coalesce(sum(pg_relation_size(oid)), 0)::text AS bytes FROM fallback`
}

export function limitTime(ms: number): Sql {
  return sql`SELECT pg_catalog.set_config('statement_timeout', ${literal(`${ms}ms`)}, true)`
}

/** The first and the last key, and how many rows have a key that is no point of time. */
export function spreadOfKeys(pages: Pages): Sql {
  const key = ident(pages.key)
  return sql`
SELECT min(${key}) FILTER (WHERE isfinite(${key}))::text AS first, max(${key}) FILTER (WHERE isfinite(${key}))::text AS last,
       count(*) FILTER (WHERE ${key} IS NULL)::text AS without_key, count(*) FILTER (WHERE NOT isfinite(${key}))::text AS infinite
FROM ${from(pages)}`
}

/** How many rows lie between each two neighbours of the edges, by the number of the first one; none before and after. */
export function countBetween(pages: Pages, edges: readonly string[], keyType: TimeKeyType): Sql {
  const key = ident(pages.key)
  const all = sql`ARRAY[${join(edges.map(literal), sql`, `)}]::${arrays[keyType]}`
  return sql`
SELECT width_bucket(${key}, ${all})::text AS number, count(*)::text AS rows, min(${key})::text AS first, max(${key})::text AS last
FROM ${from(pages)} WHERE isfinite(${key}) GROUP BY 1 ORDER BY min(${key})`
}

const arrays: Readonly<Record<TimeKeyType, Sql>> = {
  timestamptz: sql`timestamptz[]`,
  timestamp: sql`timestamp[]`,
  date: sql`date[]`,
}

/** Whole pages are taken at random, and with one seed the same ones. */
function from({ table, share }: Pages): Sql {
  if (share >= 1) return qualified(table)
  return sql`${qualified(table)} TABLESAMPLE SYSTEM (${literal(String(share * 100))}::real) REPEATABLE (${wholeNumber(1)})`
}
