import { withMarker } from '../model/marker.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import { checkDetached, checkParent, lookAgain, readSeen, refuse } from './look-again.ts'
import { takeFirst } from './take-locks.ts'
import { literal, qualified, sql } from './sql.ts'
import type { Guard, Step } from './statement.ts'
import { execute } from './statement.ts'

/** What `adoptSteps` marks. */
export interface Adoption {
  readonly parent: TableName
  readonly parentOid: string
  readonly table: TableName
  readonly oid: string
}

/** Marks a detached table as ours, from now on; its range is not known. */
export function adoptSteps(
  { parent, parentOid, table, oid }: Adoption,
  context: DdlContext,
): readonly Step[] {
  const ask = lookAgain(parent, table)
  return [
    transaction(context, `adopt ${formatTableName(table)}`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(table)} IN SHARE UPDATE EXCLUSIVE MODE`),
      {
        kind: 'guard',
        ask,
        expect: 'the same table, attached to nothing',
        check: (row) => {
          const seen = readSeen(row)
          return checkParent(seen, { parent, parentOid }) ?? checkDetached(seen, { partition: table, oid })
        },
      },
      keyGuard({ parent, parentOid, table, oid }),
      {
        kind: 'found',
        ask,
        describe: `COMMENT ON TABLE ${formatTableName(table)} IS '<marker>' with its own comment behind it`,
        make: (row) => {
          const seen = readSeen(row)
          const facts = { oid, database: context.database, parentOid, parent, bound: undefined }
          const text = withMarker(
            seen.comment,
            { kind: 'orphan', detachedAt: (context.now ?? seen.now).toString(), facts },
            context.markerPrefix,
          )
          return [execute(sql`COMMENT ON TABLE ${qualified(table)} IS ${literal(text)}`)]
        },
      },
    ]),
  ]
}

/**
 * What is adopted will be dropped, so a name that was mistyped must not pass: without the parent's key the table was
 * never its partition. Other columns may have been added to the parent since, or removed.
 */
function keyGuard({ parent, parentOid, table, oid }: Adoption): Guard {
  return {
    kind: 'guard',
    ask: sql`
SELECT string_agg(format('column "%s" of type %s', p.attname, format_type(p.atttypid, NULL)), ', ') AS missing
FROM pg_partitioned_table pt
CROSS JOIN LATERAL unnest(pt.partattrs::int2[]) AS k(attnum)
JOIN pg_attribute p ON p.attrelid = pt.partrelid AND p.attnum = k.attnum
WHERE pt.partrelid = ${literal(parentOid)}::oid AND NOT EXISTS (
  SELECT FROM pg_attribute a
  WHERE a.attrelid = ${literal(oid)}::oid AND a.attname = p.attname AND a.atttypid = p.atttypid AND NOT a.attisdropped)`,
    expect: 'the table has the key of the parent',
    check: (row) =>
      typeof row?.['missing'] === 'string'
        ? refuse(
            'unlike',
            `${formatTableName(table)} has no ${row['missing']}, so it was never a partition of ${formatTableName(parent)}`,
          )
        : undefined,
  }
}
