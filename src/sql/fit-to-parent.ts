import { formatTableName } from '../model/table-name.ts'
import type { AttachOperation } from '../plan/operation.ts'
import type { DdlContext } from './ddl-context.ts'
import { forHours, transaction } from './ddl-context.ts'
import { jsonColumn, member } from './json-column.ts'
import { detachedGuard } from './prove-range.ts'
import { takeFirst } from './take-locks.ts'
import { literal, qualified, sql, trustedSql } from './sql.ts'
import type { Action, Step } from './statement.ts'
import { execute } from './statement.ts'
import { likeParentGuard } from './unlike-parent.ts'

/** Has a detached table fit to its parent as it is by now, while nobody uses it through the parent. */
export function fitSteps(operation: AttachOperation, context: DdlContext): readonly Step[] {
  const { partition } = operation
  return [
    transaction(forHours(context), `build missing indexes of ${formatTableName(partition)}`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
      detachedGuard(operation),
      likeParentGuard(operation),
      buildMissingIndexes(operation),
    ]),
  ]
}

/**
 * Gives a detached table the indexes and keys that its parent got while it was away, as it stands alone.
 *
 * ATTACH would build them itself, with the locks of the parent and of DEFAULT in hand for as long as that takes. What
 * is alike is judged as ATTACH judges it: by method, columns, collations, operator classes and predicate, and a key needs
 * a key. An exclusion constraint is left to ATTACH, which builds its own in any case.
 */
function buildMissingIndexes({ parent, partition, guard }: AttachOperation): Action {
  return {
    kind: 'found',
    ask: sql`
WITH every AS (
  SELECT i.indrelid AS table, i.indexrelid AS index, x.reltablespace, i.indisunique AS is_unique, k.oid AS key, k.contype AS key_kind,
         ARRAY[x.relam::text, i.indisunique::text, i.indnullsnotdistinct::text, i.indnatts::text, i.indnkeyatts::text,
               i.indclass::text, i.indcollation::text, pg_get_expr(i.indpred, i.indrelid)]
           || ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, i.indnatts) n ORDER BY n) AS likeness
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u')
  WHERE i.indrelid IN (${literal(guard.parentOid)}::oid, ${literal(guard.oid)}::oid) AND NOT i.indisexclusion
)
SELECT json_agg(json_build_object(
         'key', pg_get_constraintdef(theirs.key),
         'index', CASE WHEN theirs.key IS NULL AND starts_with(pg_get_indexdef(theirs.index), head.text)
                  THEN substr(pg_get_indexdef(theirs.index), length(head.text) + 1) END,
         'tablespace', (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = theirs.reltablespace),
         'otherwise', current_setting('default_tablespace'),
         'unique', CASE WHEN theirs.is_unique THEN 'UNIQUE ' ELSE '' END) ORDER BY theirs.key_kind, theirs.index)::text AS missing
FROM every theirs JOIN pg_class x ON x.oid = theirs.index,
     LATERAL (SELECT format('CREATE %sINDEX %I ON ONLY %I.%I', CASE WHEN theirs.is_unique THEN 'UNIQUE ' ELSE '' END,
                            x.relname, ${literal(parent.schema)}, ${literal(parent.name)}) AS text) head
WHERE theirs.table = ${literal(guard.parentOid)}::oid AND NOT EXISTS (
  SELECT FROM every ours WHERE ours.table = ${literal(guard.oid)}::oid AND ours.likeness = theirs.likeness
    AND (theirs.key IS NULL OR ours.key_kind = theirs.key_kind))`,
    describe: `for each index and key of ${formatTableName(parent)} that ${formatTableName(partition)} does not have: CREATE INDEX ON ${formatTableName(partition)} .., ALTER TABLE ${formatTableName(partition)} ADD ..`,
    // The server wrote the definitions, under the search_path that they are run with.
    make: (row) =>
      jsonColumn(row['missing'], (missing) => ({
        key: member(missing, 'key'),
        index: member(missing, 'index'),
        unique: member(missing, 'unique'),
        tablespace: member(missing, 'tablespace'),
        otherwise: member(missing, 'otherwise'),
      })).flatMap(({ key, index, unique, tablespace, otherwise }) => {
        if (key === '' && index === '') return []
        const build =
          key === ''
            ? sql`CREATE ${trustedSql(unique)}INDEX ON ${qualified(partition)}${trustedSql(index)}`
            : sql`ALTER TABLE ONLY ${qualified(partition)} ADD ${trustedSql(key)}`
        // The definitions say nothing of where; ATTACH builds an index where the parent's says.
        return tablespace === ''
          ? [execute(build)]
          : [buildIn(tablespace), execute(build), buildIn(otherwise)]
      }),
  }
}

function buildIn(tablespace: string): Action {
  return execute(sql`SELECT pg_catalog.set_config('default_tablespace', ${literal(tablespace)}, true)`)
}
