import { formatTableName } from '../model/table-name.ts'
import type { AttachOperation } from '../plan/operation.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import { jsonColumn, member } from './json-column.ts'
import { detachedGuard, hoursAlone } from './prove-range.ts'
import { ident, literal, qualified, sql, trustedSql } from './sql.ts'
import type { Sql } from './sql.ts'
import type { Action, Step } from './statement.ts'

/** Makes a detached table like its parent is by now, while nobody uses it through the parent. */
export function fitSteps(operation: AttachOperation, context: DdlContext): readonly Step[] {
  const { partition, fitsForeignKeys } = operation
  return [
    transaction(hoursAlone(context), `build missing indexes of ${formatTableName(partition)}`, [
      execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
      detachedGuard(operation),
      buildMissingIndexes(operation),
    ]),
    ...(fitsForeignKeys ? foreignKeySteps(operation, context) : []),
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
  SELECT i.indrelid AS table, i.indexrelid AS index, i.indisunique AS is_unique, k.oid AS key, k.contype AS key_kind,
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
      })).flatMap(({ key, index, unique }) => {
        if (key !== '') return [execute(sql`ALTER TABLE ONLY ${qualified(partition)} ADD ${trustedSql(key)}`)]
        if (index === '') return []
        return [
          execute(sql`CREATE ${trustedSql(unique)}INDEX ON ${qualified(partition)}${trustedSql(index)}`),
        ]
      }),
  }
}

/**
 * Gives a detached table the foreign keys that its parent got while it was away, valid before ATTACH looks for them: one
 * that is missing or not valid has the table read under a lock that stops writers of the table it refers to.
 */
function foreignKeySteps(operation: AttachOperation, context: DdlContext): readonly Step[] {
  const { partition, guard } = operation
  const name = formatTableName(partition)
  return [
    transaction(context, `add missing foreign keys to ${name}`, [
      execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
      detachedGuard(operation),
      {
        kind: 'found',
        ask: sql`
SELECT json_agg(json_build_object('definition', pg_get_constraintdef(k.oid)) ORDER BY k.oid)::text AS missing
FROM pg_constraint k
WHERE k.conrelid = ${literal(guard.parentOid)}::oid AND k.contype = 'f' AND k.convalidated
  AND NOT EXISTS (SELECT FROM pg_constraint up WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
  AND NOT EXISTS (SELECT FROM pg_constraint own
                  WHERE own.conrelid = ${literal(guard.oid)}::oid AND own.contype = 'f' AND own.confrelid = k.confrelid
                    AND pg_get_constraintdef(own.oid) IN (pg_get_constraintdef(k.oid), pg_get_constraintdef(k.oid) || ' NOT VALID'))`,
        describe: `for each foreign key of the parent that ${name} does not have: ALTER TABLE ${name} ADD FOREIGN KEY .. NOT VALID`,
        make: (row) =>
          jsonColumn(row['missing'], (missing) => member(missing, 'definition')).map((definition) =>
            execute(sql`ALTER TABLE ONLY ${qualified(partition)} ADD ${trustedSql(definition)} NOT VALID`),
          ),
      },
    ]),
    {
      kind: 'repeat',
      label: `validate the foreign keys of ${name}`,
      ask: sql`SELECT k.conname::pg_catalog.text AS name FROM pg_catalog.pg_constraint k WHERE k.conrelid OPERATOR(pg_catalog.=) ${literal(guard.oid)}::pg_catalog.oid AND k.contype OPERATOR(pg_catalog.=) 'f' AND NOT k.convalidated AND pg_catalog.pg_get_constraintdef(k.oid) OPERATOR(pg_catalog.!~~) '%NOT ENFORCED' ORDER BY k.oid LIMIT 1`,
      describe: `for each that is not valid: ALTER TABLE ${name} VALIDATE CONSTRAINT <its name>`,
      make: (row) =>
        transaction(hoursAlone(context), `validate a foreign key of ${name}`, [
          execute(sql`LOCK TABLE ONLY ${qualified(partition)} IN SHARE UPDATE EXCLUSIVE MODE`),
          detachedGuard(operation),
          execute(
            sql`ALTER TABLE ONLY ${qualified(partition)} VALIDATE CONSTRAINT ${ident(String(row['name']))}`,
          ),
        ]),
    },
  ]
}

function execute(statement: Sql): Action {
  return { kind: 'execute', sql: statement }
}
