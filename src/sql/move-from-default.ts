import { formatTableName } from '../model/table-name.ts'
import type { TableName } from '../model/table-name.ts'
import type { EvidenceRequest } from '../plan/evidence.ts'
import type { RangeText } from '../plan/operation.ts'
import { jsonColumn, jsonTexts, member } from './json-column.ts'
import { refuse } from './look-again.ts'
import { publishedBy } from './published.ts'
import type { Sql } from './sql.ts'
import { ident, join, literal, qualified, sql, toText, trustedSql, wholeNumber } from './sql.ts'
import type { Action, Row } from './statement.ts'
import { execute } from './statement.ts'

interface Move {
  readonly parent: TableName
  readonly partition: TableName
  readonly fallback: TableName
  readonly key: string
  readonly range: RangeText
  readonly maxRowsFromDefault: number
}

/**
 * Moves the rows of a range out of DEFAULT into a table that is attached later in the same transaction.
 *
 * The parent and DEFAULT are locked, so the count is exact and stays so. One statement deletes and inserts, with the
 * columns named on both sides, because DEFAULT may have them in another order, and without the generated ones, which
 * cannot be written. Triggers do not fire: for the parent nothing is deleted or inserted. Where another table refers to
 * this one nothing is moved, because ON DELETE would act on the rows that refer; and where a publication sends what is
 * deleted or inserted nothing is, because the table that is filled is not attached yet, and so not known to a subscriber.
 */
export function moveFromDefault(move: Move): Action {
  const { fallback, range, key, maxRowsFromDefault } = move
  const limit = wholeNumber(maxRowsFromDefault + 1)
  return {
    kind: 'found',
    // DEFAULT can be partitioned itself, and its partitions have triggers and are referred to on their own.
    ask: sql`
WITH RECURSIVE fallback AS (
  SELECT ${oidOf(fallback)} AS oid
  UNION ALL SELECT i.inhrelid FROM fallback f JOIN pg_inherits i ON i.inhparent = f.oid)
SELECT (SELECT count(*) FROM (SELECT FROM ${qualified(fallback)} WHERE ${inRange(key, range)} LIMIT ${limit}) AS found)::text AS rows,
       (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = ${oidOf(move.parent)} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')::text AS columns,
       (SELECT json_agg(json_build_object('schema', n.nspname, 'table', c.relname, 'name', t.tgname, 'enabled', t.tgenabled)
                        ORDER BY t.tgrelid, t.tgname)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
          AND (t.tgrelid IN (SELECT oid FROM fallback) AND t.tgtype & 8 = 8
            OR t.tgrelid = ${oidOf(move.partition)} AND t.tgtype & 4 = 4))::text AS triggers,
       (SELECT min(c.conrelid::regclass::text) FROM pg_constraint c
        WHERE c.contype = 'f' AND c.confrelid IN (SELECT oid FROM fallback)) AS referenced_by,
       ${trustedSql(publishedBy(toText(oidOf(move.parent)), toText(oidOf(fallback))))}::text AS published_by`,
    describe: `if DEFAULT holds rows from ${range.from} to ${range.to}: move them (refused above ${maxRowsFromDefault}) with WITH moved AS (DELETE FROM ${formatTableName(fallback)} .. RETURNING ..) INSERT INTO ${formatTableName(move.partition)} ..`,
    rows: (row) => Number(row['rows']),
    make: (row) => moveFound(move, row),
  }
}

function moveFound(move: Move, row: Row): readonly Action[] | ReturnType<typeof refuse> {
  const { fallback, range, maxRowsFromDefault } = move
  const rows = Number(row['rows'])
  if (rows === 0) return []
  if (typeof row['published_by'] === 'string') {
    return refuse(
      'published',
      `${formatTableName(fallback)} holds rows from ${range.from} to ${range.to}, and the publication ${row['published_by']} sends changes of this table: subscribers would delete a row that is moved, and not get it again or stop at it`,
    )
  }
  if (rows > maxRowsFromDefault) {
    return refuse(
      'rows-in-default',
      `${formatTableName(fallback)} holds more than ${maxRowsFromDefault} rows from ${range.from} to ${range.to}, too many to move in one short transaction`,
    )
  }
  if (typeof row['referenced_by'] === 'string') {
    return refuse(
      'referenced',
      `${formatTableName(fallback)} holds ${rows} rows from ${range.from} to ${range.to}, and ${row['referenced_by']} refers to this table: a row that is moved would count as deleted there`,
    )
  }
  const columns = jsonTexts(row['columns']).map((name) => ident(name))
  const triggers = jsonColumn(row['triggers'], (trigger) => ({
    table: qualified({ schema: member(trigger, 'schema'), name: member(trigger, 'table') }),
    name: ident(member(trigger, 'name')),
    enable: enabled[member(trigger, 'enabled')] ?? sql`ENABLE`,
  }))
  return [
    // A deferred check would only fail at COMMIT, after ATTACH.
    execute(sql`SET CONSTRAINTS ALL IMMEDIATE`),
    // ONLY: a partition keeps what was chosen for it alone.
    ...triggers.map(({ table, name }) => execute(sql`ALTER TABLE ONLY ${table} DISABLE TRIGGER ${name}`)),
    {
      kind: 'guard',
      ask: moveStatement(move, join(columns, sql`, `)),
      expect: `${rows} rows leave DEFAULT and ${rows} arrive`,
      check: (moved) =>
        moved?.['deleted'] === String(rows) && moved['inserted'] === String(rows)
          ? undefined
          : refuse(
              'stale',
              `${rows} rows of ${formatTableName(fallback)} were to be moved, ${String(moved?.['deleted'])} left and ${String(moved?.['inserted'])} arrived; the move was rolled back`,
            ),
    },
    ...triggers.map(({ table, name, enable }) =>
      execute(sql`ALTER TABLE ONLY ${table} ${enable} TRIGGER ${name}`),
    ),
  ]
}

/** How a trigger is enabled as it was, by `tgenabled`. */
const enabled: Readonly<Record<string, Sql>> = {
  O: sql`ENABLE`,
  A: sql`ENABLE ALWAYS`,
  R: sql`ENABLE REPLICA`,
}

function moveStatement({ fallback, partition, key, range }: Move, columns: Sql): Sql {
  return sql`
WITH moved AS (
  DELETE FROM ${qualified(fallback)} WHERE ${inRange(key, range)} RETURNING ${columns}
), placed AS (
  INSERT INTO ${qualified(partition)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM moved RETURNING 1
)
SELECT (SELECT count(*) FROM moved)::text AS deleted, (SELECT count(*) FROM placed)::text AS inserted`
}

/**
 * Counts the rows of DEFAULT per range, and those that are astray. The answer is the same however the server gets at the
 * rows: no count is of a part of them, and one that ends early is known to have.
 *
 * With an index on the key each question looks at its own rows alone. Without one all of DEFAULT is read once, as it
 * would have to be to know that no row lies ahead.
 */
export function countInDefault(request: NonNullable<EvidenceRequest['defaultRows']>): Sql {
  const { table, key, ranges, before, ahead, mostRows } = request
  const [name, column, limit] = [qualified(table), ident(key), wholeNumber(mostRows + 1)]
  const counts = ranges.map((range) => sql`count(*) FILTER (WHERE ${inRange(key, range)})`)
  const anyRange = ranges.map((range) => sql`(${inRange(key, range)})`)
  const past = sql`${column} < ${literal(before)}${ranges.length === 0 ? sql`` : sql` AND NOT (${join(anyRange, sql` OR `)})`}`
  const rows = ranges.length === 0 ? sql`NULL` : sql`array_to_json(ARRAY[${join(counts, sql`, `)}])::text`
  return sql`
WITH RECURSIVE fallback AS (
  SELECT ${oidOf(table)} AS oid
  UNION ALL SELECT i.inhrelid FROM fallback f JOIN pg_inherits i ON i.inhparent = f.oid
), key_index AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = ${oidOf(table)} AND a.attname = ${literal(key)} AND i.indisvalid AND i.indpred IS NULL) AS is_there
)
SELECT seen.rows, seen.astray::text AS astray, seen.ahead::text AS ahead,
       (SELECT coalesce(sum(pg_relation_size(oid)), 0) FROM fallback)::text AS bytes,
       (SELECT is_there FROM key_index)::text AS key_indexed
FROM (
  SELECT ${ranges.length === 0 ? sql`NULL` : sql`(SELECT ${rows} FROM ${name} WHERE ${join(anyRange, sql` OR `)})`} AS rows,
         (SELECT count(*) FROM (SELECT FROM ${name} WHERE ${past}
                                UNION ALL SELECT FROM ${name} WHERE ${column} IS NULL LIMIT ${limit}) AS found) AS astray,
         EXISTS (SELECT FROM ${name} WHERE ${column} >= ${literal(ahead)}) AS ahead
  WHERE (SELECT is_there FROM key_index)
  UNION ALL
  SELECT whole.* FROM (
    SELECT ${rows}, least(count(*) FILTER (WHERE ${past} OR ${column} IS NULL), ${limit}),
           coalesce(bool_or(${column} >= ${literal(ahead)}), false)
    FROM ${name}) AS whole
  WHERE NOT (SELECT is_there FROM key_index)
) AS seen`
}

function inRange(key: string, { from, to }: RangeText): Sql {
  return sql`${ident(key)} >= ${literal(from)} AND ${ident(key)} < ${literal(to)}`
}

function oidOf(table: TableName): Sql {
  return sql`(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${literal(table.schema)} AND c.relname = ${literal(table.name)})`
}
