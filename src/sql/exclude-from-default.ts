import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { RangeText } from '../plan/operation.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import { checkParent, lookAgain, readSeen, refuse } from './look-again.ts'
import type { Sql } from './sql.ts'
import { ident, literal, qualified, sql } from './sql.ts'
import type { Action, Guard, Step } from './statement.ts'

/** What the excluding constraint is called; there is one at a time. */
export const exclusionName = 'pg_partsmith_excluded'

/** VALIDATE reads a large table, and keeps no reader or writer waiting meanwhile. */
const validationMs = 6 * 3_600_000

interface Exclusion {
  readonly parent: TableName
  readonly partition: TableName
  readonly fallback: TableName
  readonly key: string
  readonly range: RangeText
  readonly guard: { readonly parentOid: string; readonly defaultOid: string | null }
}

/**
 * Proves that DEFAULT holds no row of a range without a scan under a strong lock: a CHECK that is not valid yet takes a
 * moment, and validating it lets readers and writers go on. ATTACH then takes it as proof.
 *
 * From the first of the two transactions on an insert into the range fails with 23514, until the partition is attached
 * or the CHECK is taken off again; so this is only for ranges that nobody writes to yet.
 */
export function excludeSteps(exclusion: Exclusion, context: DdlContext): readonly Step[] {
  const { fallback, key, range } = exclusion
  const name = formatTableName(fallback)
  const column = ident(key)
  return [
    transaction(context, `exclude the range from ${name}`, [
      execute(sql`LOCK TABLE ONLY ${qualified(fallback)} IN ACCESS EXCLUSIVE MODE`),
      defaultGuard(exclusion),
      execute(
        sql`ALTER TABLE ONLY ${qualified(fallback)} ADD CONSTRAINT ${ident(exclusionName)} CHECK (NOT (${column} >= ${literal(range.from)} AND ${column} < ${literal(range.to)})) NOT VALID`,
      ),
    ]),
    transaction(
      { ...context, limits: { ...context.limits, statementTimeoutMs: validationMs } },
      `validate that ${name} holds nothing of the range`,
      [
        execute(sql`LOCK TABLE ONLY ${qualified(fallback)} IN SHARE UPDATE EXCLUSIVE MODE`),
        defaultGuard(exclusion),
        execute(sql`ALTER TABLE ONLY ${qualified(fallback)} VALIDATE CONSTRAINT ${ident(exclusionName)}`),
      ],
    ),
  ]
}

/** Asked under the locks of the attaching transaction: without the proof ATTACH would read all of DEFAULT. */
export function excludedGuard({ fallback }: Exclusion): Guard {
  return {
    kind: 'guard',
    ask: sql`SELECT k.convalidated::text AS valid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${literal(fallback.schema)} AND c.relname = ${literal(fallback.name)} AND k.conname = ${literal(exclusionName)} AND k.contype = 'c'`,
    expect: 'the range is excluded from DEFAULT by a valid CHECK',
    check: (row) =>
      row?.['valid'] === 'true'
        ? undefined
        : refuse(
            'stale',
            `the CHECK ${exclusionName} of ${formatTableName(fallback)} was taken off meanwhile`,
          ),
  }
}

/** In the transaction of the ATTACH, after it: both locks are there already. */
export function dropExclusion(fallback: TableName): Action {
  return execute(sql`ALTER TABLE ONLY ${qualified(fallback)} DROP CONSTRAINT ${ident(exclusionName)}`)
}

/** Takes the CHECK off a DEFAULT where a run that did not come to an end has left it. */
export function readmitSteps(
  {
    parent,
    partition,
    guard,
  }: Pick<Exclusion, 'parent' | 'partition'> & { readonly guard: { readonly parentOid: string } },
  context: DdlContext,
): readonly Step[] {
  return [
    {
      kind: 'repeat',
      label: 'let DEFAULT take the rows of the range again',
      ask: sql`SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_partitioned_table p ON p.partdefid OPERATOR(pg_catalog.=) k.conrelid JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE p.partrelid OPERATOR(pg_catalog.=) ${literal(guard.parentOid)}::pg_catalog.oid AND k.conname OPERATOR(pg_catalog.=) ${literal(exclusionName)} AND k.contype OPERATOR(pg_catalog.=) 'c'`,
      describe: `where DEFAULT has the CHECK ${exclusionName}: ALTER TABLE <DEFAULT> DROP CONSTRAINT ${exclusionName}`,
      make: (row) => {
        const fallback = { schema: String(row['schema']), name: String(row['name']) }
        return transaction(context, `let ${formatTableName(fallback)} take the rows of the range again`, [
          execute(sql`LOCK TABLE ONLY ${qualified(fallback)} IN ACCESS EXCLUSIVE MODE`),
          {
            kind: 'guard',
            ask: lookAgain(parent, partition),
            expect: 'it is the DEFAULT of the same parent',
            check: (seen) => checkParent(readSeen(seen), { parent, parentOid: guard.parentOid }),
          },
          dropExclusion(fallback),
        ])
      },
    },
  ]
}

function defaultGuard({ parent, partition, fallback, guard }: Exclusion): Guard {
  return {
    kind: 'guard',
    ask: lookAgain(parent, partition),
    expect: 'the parent and its DEFAULT are those of the plan',
    check: (row) => checkParent(readSeen(row), { parent, ...guard, default: fallback }),
  }
}

function execute(statement: Sql): Action {
  return { kind: 'execute', sql: statement }
}
