import { quoteIdentifier } from '../model/quote.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { jsonColumn, member } from './json-column.ts'
import { refuse } from './look-again.ts'
import { literal, sql } from './sql.ts'
import type { Guard } from './statement.ts'

/** A table that is said to have been a partition. */
export interface FormerPartition {
  readonly parent: TableName
  readonly parentOid: string
  readonly table: TableName
  readonly oid: string
}

/**
 * What is adopted will be dropped, so only a table that can have been a partition passes, by all of its columns.
 *
 * A partition had every column of its parent when it was detached, and no other. So it may lack only what the parent can
 * have got since: a column that takes NULL or has a default, and that stands behind all that the table does have. It has
 * more only where the parent has lost columns since, which cannot be told from a table that has nothing to do with it.
 */
export function likePartitionGuard({ parent, parentOid, table, oid }: FormerPartition): Guard {
  return {
    kind: 'guard',
    ask: sql`
WITH own AS (
  SELECT a.attnum, a.attname, a.atttypid FROM pg_attribute a
  WHERE a.attrelid = ${literal(oid)}::oid AND a.attnum > 0 AND NOT a.attisdropped
), whole AS (
  SELECT a.attnum, a.attname, a.atttypid,
         a.attnum = ANY (pt.partattrs::int2[]) OR (a.attnotnull AND NOT a.atthasdef AND a.attidentity = '') AS is_needed
  FROM pg_partitioned_table pt JOIN pg_attribute a ON a.attrelid = pt.partrelid
  WHERE pt.partrelid = ${literal(parentOid)}::oid AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT json_agg(json_build_object('what', u.what, 'name', u.name, 'type', u.type, 'wanted', u.wanted)
                ORDER BY u.rank, u.place)::text AS unlike
FROM (
  SELECT 1 AS rank, w.attnum AS place, 'type' AS what, w.attname::text AS name,
         format_type(o.atttypid, NULL) AS type, format_type(w.atttypid, NULL) AS wanted
  FROM whole w JOIN own o ON o.attname = w.attname WHERE o.atttypid <> w.atttypid
  UNION ALL
  SELECT 2, o.attnum, 'surplus', o.attname::text, format_type(o.atttypid, NULL), NULL
  FROM own o WHERE NOT EXISTS (SELECT FROM whole w WHERE w.attname = o.attname)
  UNION ALL
  SELECT 3, w.attnum, 'missing', w.attname::text, NULL, format_type(w.atttypid, NULL)
  FROM whole w WHERE NOT EXISTS (SELECT FROM own o WHERE o.attname = w.attname)
    AND (w.is_needed OR w.attnum < (SELECT max(l.attnum) FROM whole l JOIN own o ON o.attname = l.attname))
) AS u`,
    expect: 'the table has the columns that a partition of the parent had',
    check: (row) => {
      const whole = formatTableName(parent)
      const said = jsonColumn(row?.['unlike'], (one) => {
        const name = quoteIdentifier(member(one, 'name'))
        switch (member(one, 'what')) {
          case 'type':
            return `its column ${name} is of type ${member(one, 'type')} and not ${member(one, 'wanted')}`
          case 'surplus':
            return `it has a column ${name} of type ${member(one, 'type')} that ${whole} does not have`
          default:
            return `it has no column ${name} of type ${member(one, 'wanted')}`
        }
      })
      if (said.length === 0) return undefined
      return refuse(
        'unlike',
        `${formatTableName(table)} is not like a partition of ${whole}: ${said.join('; ')}`,
      )
    },
  }
}
