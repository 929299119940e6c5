import { whyNotTrusted } from '../model/marker.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { DropOperation } from '../plan/operation.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import type { Seen } from './look-again.ts'
import { checkDetached, lookAgain, markerIn, readSeen, refuse } from './look-again.ts'
import { dependentsOf } from './leaving.ts'
import { isGone, lacksConstraint, onlyIf } from './only-if.ts'
import { ident, literal, qualified, sql, toText, trustedSql } from './sql.ts'
import type { Action, Guard, Refusal, Row, Step } from './statement.ts'
import { execute } from './statement.ts'
import type { Wanted } from './take-locks.ts'
import { takeLocks } from './take-locks.ts'

/**
 * Dropping: only a detached table that carries our marker, looked at again under ACCESS EXCLUSIVE in the transaction
 * of the DROP, never with CASCADE.
 *
 * Its own foreign keys go first, one transaction each: removing one locks the table it refers to ACCESS EXCLUSIVE,
 * and with all of them in the DROP every one of those tables would be locked until the end.
 */
export function dropSteps(operation: DropOperation, context: DdlContext): readonly Step[] {
  const { partition, guard } = operation
  const name = formatTableName(partition)
  const [own, others] = [operation.locks.filter(isOwn), operation.locks.filter((lock) => !isOwn(lock))]
  const lockAndLook = (locks: readonly Wanted[]): readonly Action[] => [
    ...takeLocks(locks, { context }),
    dropGuard(operation, context),
  ]
  const foreignKeys: Step = {
    kind: 'repeat',
    label: `remove the foreign keys of ${name}`,
    // One that refers to a partitioned table has a child for each of its partitions; those go with it.
    ask: sql`SELECT k.conname::pg_catalog.text AS name, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS table FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.confrelid JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE k.conrelid OPERATOR(pg_catalog.=) ${literal(guard.oid)}::pg_catalog.oid AND k.contype OPERATOR(pg_catalog.=) 'f' AND k.conparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid ORDER BY k.conname LIMIT 1`,
    describe: `for each foreign key of ${name}, with both of its tables locked: ALTER TABLE ${name} DROP CONSTRAINT <its name>`,
    make: (row) =>
      transaction(context, `remove the foreign key ${String(row['name'])} of ${name}`, [
        ...lockAndLook([...lockOf(readReferenced(row), others), ...own]),
        // Asked before the first key goes: a table that cannot be dropped keeps them.
        dependentsGuard(operation),
        execute(sql`ALTER TABLE ${qualified(partition)} DROP CONSTRAINT ${ident(String(row['name']))}`),
        onlyIf(lacksConstraint(guard.oid, String(row['name']))),
      ]),
  }
  const drop: Step = transaction(context, `drop ${name}`, [
    ...lockAndLook(own),
    ...(guard.marker === 'building' ? [emptyGuard(partition)] : []),
    execute(sql`DROP TABLE ${qualified(partition)}`),
    onlyIf(isGone(guard.oid)),
  ])
  return guard.marker === 'building' ? [drop] : [foreignKeys, drop]
}

function isOwn({ role }: Wanted): boolean {
  return role === 'partition'
}

function readReferenced(row: Row): TableName {
  return { schema: String(row['schema']), name: String(row['table']) }
}

/** The other table of a foreign key and what is below it; one that has come to it since is locked, too. */
function lockOf(table: TableName, known: readonly Wanted[]): readonly Wanted[] {
  const below = known.filter(({ partitionOf }) => partitionOf && sameTable(partitionOf, table))
  return [{ relation: table, mode: 'ACCESS EXCLUSIVE', role: 'referenced' }, ...below]
}

function dropGuard(operation: DropOperation, context: DdlContext): Guard {
  const { parent, partition, guard } = operation
  return {
    kind: 'guard',
    ask: lookAgain(parent, partition),
    expect: 'the same table, attached to nothing, with its marker',
    check: (row) => {
      const seen = readSeen(row)
      if (guard.marker === 'building' && seen.oid === guard.oid && seen.attachedTo === guard.parentOid) {
        return refuse('raced', `${formatTableName(partition)} was attached by whoever built it`)
      }
      return (
        checkDetached(seen, { parent, partition, oid: guard.oid }) ?? checkMarker(seen, operation, context)
      )
    },
  }
}

function checkMarker(
  seen: Seen,
  { partition, guard }: DropOperation,
  context: DdlContext,
): Refusal | undefined {
  const name = formatTableName(partition)
  const marker = markerIn(seen, context.markerPrefix)
  const trusted =
    marker?.kind === guard.marker &&
    whyNotTrusted(marker, { oid: guard.oid, database: context.database, parentOid: guard.parentOid }) ===
      undefined
  if (!trusted) {
    if (context.dropAllowUnmanaged && guard.marker === 'orphan') return undefined
    return refuse('unmanaged', `${name} does not carry the marker of a table that was detached here`)
  }
  if (guard.comment === null || seen.comment === guard.comment) return undefined
  return refuse('stale', `the marker of ${name} is not the one that was planned with`)
}

/** What would make DROP TABLE fail without CASCADE. */
function dependentsGuard({ partition, guard }: DropOperation): Guard {
  return {
    kind: 'guard',
    ask: sql`${trustedSql(dependentsOf(toText(sql`ARRAY[${literal(guard.oid)}::oid]`)))} LIMIT 1`,
    expect: 'nothing depends on the table',
    check: (row) =>
      typeof row?.['dependent'] === 'string'
        ? refuse('referenced', `${row['dependent']} depends on ${formatTableName(partition)}`)
        : undefined,
  }
}

/** We made the table and never attached it; rows in it are somebody's. */
function emptyGuard(partition: TableName): Guard {
  return {
    kind: 'guard',
    ask: sql`SELECT EXISTS (SELECT FROM ${qualified(partition)})::text AS filled`,
    expect: 'the table is empty',
    check: (row) =>
      row?.['filled'] === 'false' ? undefined : refuse('stale', `${formatTableName(partition)} holds rows`),
  }
}
