import { formatTableName } from '../model/table-name.ts'
import type { AttachOperation } from '../plan/operation.ts'
import type { DdlContext } from './ddl-context.ts'
import { forHours, transaction } from './ddl-context.ts'
import { checkDetached, lookAgain, readSeen } from './look-again.ts'
import { checkRace } from './same-range.ts'
import { hasConstraint, lacksConstraint, onlyIf } from './only-if.ts'
import { takeFirst } from './take-locks.ts'
import { ident, literal, qualified, sql } from './sql.ts'
import type { Action, Guard, Step } from './statement.ts'
import { execute } from './statement.ts'

/** What the CHECK is called that proves the range of a table which is to be attached. */
export const proofName = 'pg_partsmith_range'

/**
 * Proves that a detached table holds nothing but its range while it stands alone, so that ATTACH only has to write to
 * the catalog. Otherwise it would read the table with the locks of the parent and of DEFAULT in hand.
 *
 * A concurrent detach leaves such a CHECK; the server itself says whether one is there, by printing both alike.
 */
export function proveRangeSteps(operation: AttachOperation, context: DdlContext): readonly Step[] {
  const { partition, guard, key, range } = operation
  const name = formatTableName(partition)
  const column = ident(key)
  const oid = sql`${literal(guard.oid)}::oid`
  return [
    transaction(context, `add a proof of its range to ${name}`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
      detachedGuard(operation),
      execute(sql`ALTER TABLE ONLY ${qualified(partition)} DROP CONSTRAINT IF EXISTS ${ident(proofName)}`),
      execute(
        sql`ALTER TABLE ONLY ${qualified(partition)} ADD CONSTRAINT ${ident(proofName)} CHECK (${column} IS NOT NULL AND ${column} >= ${literal(range.from)} AND ${column} < ${literal(range.to)}) NOT VALID`,
      ),
      onlyIf(hasConstraint(guard.oid, proofName)),
      {
        kind: 'found',
        ask: sql`SELECT EXISTS (SELECT FROM pg_constraint mine JOIN pg_constraint other ON other.conrelid = mine.conrelid AND other.contype = 'c' AND other.convalidated AND pg_get_expr(other.conbin, other.conrelid) = pg_get_expr(mine.conbin, mine.conrelid) WHERE mine.conrelid = ${oid} AND mine.conname = ${literal(proofName)})::text AS proven`,
        describe: `where a valid CHECK says the same already: ALTER TABLE ${name} DROP CONSTRAINT ${proofName}`,
        make: (row) => (row['proven'] === 'true' ? [dropProof(operation)] : []),
      },
    ]),
    {
      kind: 'repeat',
      label: `validate the proof of ${name}`,
      ask: sql`SELECT k.oid::pg_catalog.text AS oid FROM pg_catalog.pg_constraint k WHERE k.conrelid OPERATOR(pg_catalog.=) ${literal(guard.oid)}::pg_catalog.oid AND k.conname OPERATOR(pg_catalog.=) ${literal(proofName)} AND NOT k.convalidated`,
      describe: `unless it is proven already: ALTER TABLE ${name} VALIDATE CONSTRAINT ${proofName}`,
      make: () =>
        transaction(forHours(context), `validate the proof of ${name}`, [
          ...takeFirst(sql`LOCK TABLE ONLY ${qualified(partition)} IN SHARE UPDATE EXCLUSIVE MODE`),
          detachedGuard(operation),
          execute(sql`ALTER TABLE ONLY ${qualified(partition)} VALIDATE CONSTRAINT ${ident(proofName)}`),
        ]),
    },
  ]
}

/** Takes the proof back from a table that was not attached after all. */
export function takeBackProofSteps(operation: AttachOperation, context: DdlContext): readonly Step[] {
  const { partition } = operation
  return [
    transaction(context, `take the proof back from ${formatTableName(partition)}`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(partition)} IN ACCESS EXCLUSIVE MODE`),
      detachedGuard(operation),
      execute(sql`ALTER TABLE ONLY ${qualified(partition)} DROP CONSTRAINT IF EXISTS ${ident(proofName)}`),
      onlyIf(lacksConstraint(operation.guard.oid, proofName)),
    ]),
  ]
}

/** In the transaction of the ATTACH, after it: the bound says the same from now on. */
export function removeProof(operation: AttachOperation): Action {
  return {
    kind: 'found',
    ask: sql`SELECT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = ${literal(operation.guard.oid)}::oid AND k.conname = ${literal(proofName)})::text AS there`,
    describe: `if it was added for this: ALTER TABLE ${formatTableName(operation.partition)} DROP CONSTRAINT ${proofName}`,
    make: (row) => (row['there'] === 'true' ? [dropProof(operation)] : []),
  }
}

function dropProof({ partition }: AttachOperation): Action {
  return execute(sql`ALTER TABLE ONLY ${qualified(partition)} DROP CONSTRAINT ${ident(proofName)}`)
}

export function detachedGuard(operation: AttachOperation): Guard {
  const { parent, partition, guard } = operation
  return {
    kind: 'guard',
    ask: lookAgain(parent, partition),
    expect: 'the detached table is that of the plan',
    check: (row) => {
      const seen = readSeen(row)
      return checkRace(seen, operation) ?? checkDetached(seen, { parent, partition, oid: guard.oid })
    },
  }
}
