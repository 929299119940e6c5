import { PartitionError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import type { EvidenceRequest, ReferredPartition } from '../plan/evidence.ts'
import { jsonColumn, member } from './json-column.ts'
import type { Sql } from './sql.ts'
import { ident, join, literal, qualified, sql, trustedSql, wholeNumber } from './sql.ts'
import type { Row } from './statement.ts'

/**
 * $1 OIDs of partitions. One row for each foreign key that the server checks before it detaches one of them: those that
 * came to the partition from its parent. Whether they are valid or enforced makes no difference to it.
 *
 * The name is that of the whole key, which is what a user has written or can drop.
 */
export const readReferences = `
WITH RECURSIVE reference AS (
  SELECT k.oid, k.conrelid, k.confrelid, k.conkey, k.confkey, k.conpfeqop, k.confmatchtype
  FROM pg_constraint k
  WHERE k.contype = 'f' AND k.conparentid <> 0 AND k.confrelid = ANY ($1::oid[])
    AND k.oid IN (SELECT d.objid FROM pg_depend d
                  WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_class'::regclass
                    AND d.refobjid = ANY ($1::oid[]) AND d.refobjsubid > 0)
), up AS (
  SELECT r.oid AS start, r.oid FROM reference r
  UNION ALL SELECT up.start, k.conparentid FROM up JOIN pg_constraint k ON k.oid = up.oid WHERE k.conparentid <> 0
)
SELECT r.confrelid::text AS partition, r.conrelid::text AS oid,
       (SELECT k.conname FROM up JOIN pg_constraint k ON k.oid = up.oid
        WHERE up.start = r.oid AND k.conparentid = 0)::text AS name,
       n.nspname::text AS schema, c.relname::text AS table, (c.relkind = 'p')::text AS partitioned,
       (r.confmatchtype = 'f')::text AS match_full,
       EXISTS (SELECT FROM pg_index i
               WHERE i.indrelid = r.conrelid AND i.indisvalid AND i.indpred IS NULL
                 AND (i.indkey::int2[])[0:cardinality(r.conkey) - 1] @> r.conkey)::text AS indexed,
       (SELECT json_agg(json_build_object(
                 'referred', ra.attname, 'referring', fa.attname, 'operatorSchema', opn.nspname, 'operator', o.oprname,
                 'collationSchema', con.nspname, 'collation', co.collname) ORDER BY u.ord)
        FROM unnest(r.confkey, r.conkey, r.conpfeqop) WITH ORDINALITY AS u(referred, referring, operator, ord)
        JOIN pg_attribute ra ON ra.attrelid = r.confrelid AND ra.attnum = u.referred
        JOIN pg_attribute fa ON fa.attrelid = r.conrelid AND fa.attnum = u.referring
        JOIN pg_operator o ON o.oid = u.operator JOIN pg_namespace opn ON opn.oid = o.oprnamespace
        LEFT JOIN pg_collation co ON co.oid = ra.attcollation AND ra.attcollation <> fa.attcollation
        LEFT JOIN pg_namespace con ON con.oid = co.collnamespace)::text AS columns
FROM reference r
JOIN pg_class c ON c.oid = r.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY r.confrelid, 3, n.nspname, c.relname`

/** A foreign key as it applies to one partition. */
export interface Reference {
  readonly partition: string
  /** Of the table that refers. */
  readonly oid: string
  readonly foreignKey: string
  readonly table: TableName
  readonly isPartitioned: boolean
  readonly matchesFull: boolean
  readonly indexed: boolean
  readonly columns: readonly ReferenceColumn[]
}

interface ReferenceColumn {
  readonly referred: string
  readonly referring: string
  readonly operator: readonly [schema: string, name: string]
  /** Of the referred column, where that of the other one differs. */
  readonly collation: readonly [schema: string, name: string] | undefined
}

/** Reads a row of `readReferences`. */
export function readReference(row: Row): Reference {
  return {
    partition: String(row['partition']),
    oid: String(row['oid']),
    foreignKey: String(row['name']),
    table: { schema: String(row['schema']), name: String(row['table']) },
    isPartitioned: row['partitioned'] === 'true',
    matchesFull: row['match_full'] === 'true',
    indexed: row['indexed'] === 'true',
    columns: jsonColumn(row['columns'], (column) => ({
      referred: member(column, 'referred'),
      referring: member(column, 'referring'),
      operator: [member(column, 'operatorSchema'), member(column, 'operator')],
      collation:
        typeof column['collation'] === 'string'
          ? [member(column, 'collationSchema'), column['collation']]
          : undefined,
    })),
  }
}

/** How large the two tables are that the check reads; each is opened under ACCESS SHARE, and waits for that. */
export function sizesOf({ oid, partition }: Reference): Sql {
  return sql`
WITH RECURSIVE below AS (
  SELECT ${literal(oid)}::oid AS oid
  UNION ALL SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.oid)
SELECT (SELECT coalesce(sum(pg_relation_size(b.oid)), 0) FROM below b)::text AS bytes,
       coalesce(pg_relation_size(${literal(partition)}::oid), 0)::text AS partition_bytes`
}

/**
 * What the server's own check runs with: as much memory as it gives itself, and no parallel workers, because it asks for
 * one row. Local to the transaction.
 */
export function checkSettings(withinMs: number): Sql {
  const within = literal(`${withinMs}ms`)
  return sql`
SELECT pg_catalog.set_config('statement_timeout', ${within}, true),
       pg_catalog.set_config('max_parallel_workers_per_gather', '0', true),
       pg_catalog.set_config('work_mem', pg_catalog.current_setting('maintenance_work_mem'), true)`
}

/**
 * The query that the server runs for one foreign key before it detaches the partition, with the rows counted and its time
 * taken on the server.
 *
 * A CTE is planned to be read in full, as that query is, whatever LIMIT reads of it; so the way to the rows is the same.
 */
export function checkReference(
  { columns, table, isPartitioned, matchesFull }: Reference,
  { partition, key, mostRows }: Pick<References, 'key' | 'mostRows'> & { partition: ReferredPartition },
): Sql {
  const { name, range } = partition
  const same = columns.map(
    ({ referred, referring, operator, collation }) =>
      sql`referred.${ident(referred)} ${operatorText(operator)} referring.${ident(referring)}${collation ? sql` COLLATE ${ident(...collation)}` : sql``}`,
  )
  const given = columns.map(({ referring }) => sql`referring.${ident(referring)} IS NOT NULL`)
  return sql`
WITH found AS MATERIALIZED (
  SELECT FROM ${isPartitioned ? sql`` : sql`ONLY `}${qualified(table)} AS referring
  JOIN (SELECT * FROM ONLY ${qualified(name)} AS r
        WHERE r.${ident(key)} IS NOT NULL AND r.${ident(key)} >= ${literal(range.from)} AND r.${ident(key)} < ${literal(range.to)}) AS referred
  ON ${join(same, sql` AND `)}
  WHERE ${join(given, matchesFull ? sql` OR ` : sql` AND `)})
SELECT c.rows::text AS rows,
       (extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000)::text AS ms
FROM (SELECT count(*) AS rows FROM (SELECT FROM found LIMIT ${wholeNumber(mostRows)}) AS l) AS c`
}

type References = NonNullable<EvidenceRequest['references']>

/** An operator is no identifier that could be quoted, so it is looked at. */
function operatorText([schema, name]: ReferenceColumn['operator']): Sql {
  if (!/^[-+*/<>=~!@#%^&|`?]{1,63}$/.test(name)) {
    throw new PartitionError(`The catalog names an operator ${JSON.stringify(name)}, which cannot be one.`)
  }
  return sql`OPERATOR(${ident(schema)}.${trustedSql(name)})`
}
