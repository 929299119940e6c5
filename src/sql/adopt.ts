import { withMarker } from '../model/marker.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { commentOn } from './comment-on.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import type { FormerPartition } from './like-a-partition.ts'
import { likePartitionGuard } from './like-a-partition.ts'
import { checkDetached, checkParent, lookAgain, readSeen } from './look-again.ts'
import { takeFirst } from './take-locks.ts'
import { literal, qualified, sql } from './sql.ts'
import type { Action, Step } from './statement.ts'

/** What `adoptSteps` marks. */
export type Adoption = FormerPartition

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
          return (
            checkParent(seen, { parent, parentOid }) ?? checkDetached(seen, { parent, partition: table, oid })
          )
        },
      },
      likePartitionGuard({ parent, parentOid, table, oid }),
      measure(table, oid),
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
          return commentOn(table, oid, text)
        },
      },
    ]),
  ]
}

/** Up to here the rows of a table are counted of which the server knows no number yet. */
const mostCounted = 100_000

/** How large the table is and how many rows it has, for the person who marks it. */
function measure(table: TableName, oid: string): Action {
  return {
    kind: 'found',
    ask: sql`
SELECT pg_total_relation_size(c.oid)::text AS bytes, c.reltuples::bigint::text AS rows,
       (has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid))::text AS readable
FROM pg_class c WHERE c.oid = ${literal(oid)}::oid`,
    describe: `the size of ${formatTableName(table)}, which is told`,
    make: (row) => (Number(row['rows']) < 0 && row['readable'] === 'true' ? [count(table)] : []),
    measured: (row) => ({
      sizeBytes: Number(row['bytes']),
      ...(Number(row['rows']) >= 0 && { rows: { number: Number(row['rows']), is: 'about' } }),
    }),
  }
}

function count(table: TableName): Action {
  return {
    kind: 'found',
    ask: sql`SELECT count(*)::text AS rows FROM (SELECT FROM ONLY ${qualified(table)} LIMIT ${literal(String(mostCounted + 1))}::bigint) AS sample`,
    describe: `the rows of ${formatTableName(table)}, which are told`,
    make: () => [],
    measured: (row) => {
      const number = Number(row['rows'])
      return {
        rows: number > mostCounted ? { number: mostCounted, is: 'more than' } : { number, is: 'exactly' },
      }
    },
  }
}
