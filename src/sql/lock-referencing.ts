import { formatTableName, sameTable } from '../model/table-name.ts'
import type { TableName } from '../model/table-name.ts'
import type { LockMode, Operation } from '../plan/operation.ts'
import { literal, qualified, sql, trustedSql } from './sql.ts'
import type { Action } from './statement.ts'

/**
 * Locks the tables that refer to the parent before the parent itself.
 *
 * An insert there has its own table locked and then looks into the parent; taken the other way round, each of the two
 * waits for what the other has, until one of them gives up. The server takes these locks for its own reasons last and
 * without a right to the table; LOCK TABLE needs one, so it is asked for first.
 *
 * A detach also reads what is below such a table. Where a partition there is not free, it waits for that first, with
 * nothing in hand that anybody waits for; whoever empties and fills one in a transaction needs the others meanwhile.
 */
export function lockReferencing({ locks }: Operation): readonly Action[] {
  return locks
    .filter(({ role, partitionOf }) => role === 'referencing' && partitionOf === undefined)
    .map(({ relation, mode }) => ({ relation, mode, below: modeBelow(relation, locks) }))
    .map(({ relation, mode, below }) => ({
      kind: 'found',
      ask: sql`SELECT (pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'))::text AS may_lock, has_table_privilege(c.oid, 'SELECT')::text AS may_read FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${literal(relation.schema)} AND c.relname = ${literal(relation.name)}`,
      describe: `where the role may: ${below ? `LOCK TABLE ${formatTableName(relation)} IN ${below} MODE; ` : ''}LOCK TABLE ONLY ${formatTableName(relation)} IN ${mode} MODE`,
      make: (row) => {
        if (row['may_lock'] !== 'true') return []
        const itself = sql`LOCK TABLE ONLY ${qualified(relation)} IN ${trustedSql(mode)} MODE`
        // Before version 16 the right to change a table is none to lock it as its readers do.
        const whole =
          row['may_read'] === 'true' &&
          below &&
          sql`LOCK TABLE ${qualified(relation)} IN ${trustedSql(below)} MODE`
        return [...(whole ? [whole] : []), itself].map((one) => ({ kind: 'execute', sql: one }))
      },
    }))
}

function modeBelow(table: TableName, locks: Operation['locks']): LockMode | undefined {
  return locks.find(
    ({ role, partitionOf }) => role === 'referencing' && partitionOf && sameTable(partitionOf, table),
  )?.mode
}
