import { markerHeads, withMarker } from '../model/marker.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { DetachOperation, FinalizeOperation } from '../plan/operation.ts'
import { commentOn } from './comment-on.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import type { Seen } from './look-again.ts'
import { lookAgain, markerIn, readSeen, refuse } from './look-again.ts'
import type { Sql } from './sql.ts'
import { literal, qualified, sql } from './sql.ts'
import type { Action, Step } from './statement.ts'
import { takeFirst } from './take-locks.ts'

type Detaching = DetachOperation | FinalizeOperation

/** Marks the partition, and keeps the comment that it has. */
export function writeMarker(operation: Detaching, context: DdlContext): Action {
  const { parent, partition } = operation
  return {
    kind: 'found',
    ask: lookAgain(parent, partition),
    describe: `COMMENT ON TABLE ${formatTableName(partition)} IS '<marker: detached from ${formatTableName(parent)}, at the server's clock>' with its own comment behind it`,
    make: (row) => comment(operation, { table: partition, seen: readSeen(row), context }),
  }
}

/** The name of a table that is detached by now and has no marker; no row where it is attached, marked or gone. */
export function lookForUnmarked({ guard }: Detaching, { markerPrefix }: DdlContext): Sql {
  return sql`
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ${literal(guard.oid)}::oid AND NOT c.relispartition
  AND NOT starts_with(coalesce(obj_description(c.oid, 'pg_class'), ''), ${literal(markerHeads(markerPrefix).orphan)})`
}

/**
 * Marks a table again that lost its marker while its detach waited: nothing keeps others from writing a comment then.
 * `table` is what it is called now.
 */
export function markAgainSteps(
  operation: Detaching,
  { table, context }: { readonly table: TableName; readonly context: DdlContext },
): readonly Step[] {
  const { parent, guard } = operation
  return [
    transaction(context, `mark ${formatTableName(table)} again`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(table)} IN SHARE UPDATE EXCLUSIVE MODE`),
      {
        kind: 'found',
        ask: lookAgain(parent, table),
        describe: `COMMENT ON TABLE ${formatTableName(table)} IS '<marker>' with its own comment behind it`,
        make: (row) => {
          const seen = readSeen(row)
          if (seen.oid !== guard.oid) {
            return refuse('stale', `${formatTableName(table)} is another table now`)
          }
          if (seen.attachedTo !== null || markerIn(seen, context.markerPrefix)?.kind === 'orphan') return []
          return comment(operation, { table, seen, context })
        },
      },
    ]),
  ]
}

function comment(
  { parent, guard }: Detaching,
  { table, seen, context }: { readonly table: TableName; readonly seen: Seen; readonly context: DdlContext },
): readonly Action[] {
  const text = withMarker(
    seen.comment,
    {
      kind: 'orphan',
      detachedAt: (context.now ?? seen.now).toString(),
      facts: {
        oid: guard.oid,
        database: context.database,
        parentOid: guard.parentOid,
        parent,
        bound: guard.boundText,
      },
    },
    context.markerPrefix,
  )
  return commentOn(table, guard.oid, text)
}
