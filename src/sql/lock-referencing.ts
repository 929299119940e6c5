import { formatTableName, sameTable } from '../model/table-name.ts'
import type { Operation } from '../plan/operation.ts'
import { literal, qualified, sql, trustedSql } from './sql.ts'
import type { Action } from './statement.ts'

/**
 * Locks the tables that refer to the parent before the parent itself.
 *
 * An insert there has its own table locked and then looks into the parent; taken the other way round, each of the two
 * waits for what the other has, until one of them gives up. The server takes these locks for its own reasons last and
 * without a right to the table; LOCK TABLE needs one, so it is asked for first.
 */
export function lockReferencing({ parent, locks }: Operation): readonly Action[] {
  return locks
    .filter(({ role, relation }) => role === 'referencing' && !sameTable(relation, parent))
    .map(({ relation, mode }) => ({
      kind: 'found',
      ask: sql`SELECT (pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'))::text AS may_lock FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${literal(relation.schema)} AND c.relname = ${literal(relation.name)}`,
      describe: `where the role may: LOCK TABLE ONLY ${formatTableName(relation)} IN ${mode} MODE`,
      make: (row) =>
        row['may_lock'] === 'true'
          ? [
              {
                kind: 'execute',
                sql: sql`LOCK TABLE ONLY ${qualified(relation)} IN ${trustedSql(mode)} MODE`,
              },
            ]
          : [],
    }))
}
