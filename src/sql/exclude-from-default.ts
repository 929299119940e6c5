import { Instant } from '../model/instant.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { CreateOperation, ReadmitOperation } from '../plan/operation.ts'
import { exclusionName } from '../plan/readmission.ts'
import type { DdlContext } from './ddl-context.ts'
import { forHours, transaction } from './ddl-context.ts'
import type { Seen } from './look-again.ts'
import { checkParent, lookAgain, readSeen, refuse } from './look-again.ts'
import { hasConstraint, lacksConstraint, onlyIf } from './only-if.ts'
import { takeFirst, takeLocks } from './take-locks.ts'
import type { Sql } from './sql.ts'
import { ident, literal, qualified, sql } from './sql.ts'
import type { Action, Guard, Refusal, Step } from './statement.ts'
import { execute } from './statement.ts'

type Exclusion = CreateOperation &
  Required<Pick<CreateOperation, 'excludesFromDefault'>> & { readonly fallback: TableName }

/**
 * Proves that DEFAULT holds no row of a range without a scan under a strong lock: a CHECK that is not valid yet takes a
 * moment, and validating it lets readers and writers go on. ATTACH then takes it as proof.
 *
 * From the first of the two transactions on an insert into the range fails with 23514, until the partition is attached
 * or the CHECK is taken off again; so this is only for ranges that nobody writes to yet, and ends well before they begin. It
 * is not begun while somebody is in the way of the ATTACH: the first transaction takes all of its locks.
 */
export function excludeSteps(exclusion: Exclusion, context: DdlContext): readonly Step[] {
  const { fallback, key, range } = exclusion
  const name = formatTableName(fallback)
  const column = ident(key)
  return [
    transaction(context, `exclude the range from ${name}`, [
      ...takeLocks(
        exclusion.locks.filter(({ role }) => role !== 'partition'),
        { context },
      ),
      defaultGuard(exclusion, context),
      notYetGuard(exclusion),
      execute(
        sql`ALTER TABLE ONLY ${qualified(fallback)} ADD CONSTRAINT ${ident(exclusionName)} CHECK (NOT (${column} >= ${literal(range.from)} AND ${column} < ${literal(range.to)})) NOT VALID`,
      ),
      ...(exclusion.guard.defaultOid === null
        ? []
        : [onlyIf(hasConstraint(exclusion.guard.defaultOid, exclusionName))]),
    ]),
    transaction(forHours(context), `validate that ${name} holds nothing of the range`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(fallback)} IN SHARE UPDATE EXCLUSIVE MODE`),
      stillGuard(exclusion),
      whileThereIsTime(exclusion, context),
      execute(sql`ALTER TABLE ONLY ${qualified(fallback)} VALIDATE CONSTRAINT ${ident(exclusionName)}`),
    ]),
  ]
}

/** Asked under the locks of the attaching transaction: without the proof ATTACH would read all of DEFAULT. */
export function excludedGuard(fallback: TableName): Guard {
  return {
    kind: 'guard',
    ask: lookForExclusion(fallback),
    expect: 'the range is excluded from DEFAULT by a valid CHECK',
    check: (row) => (row?.['valid'] === 'true' ? undefined : takenOff(fallback)),
  }
}

/** One that is there already is of another range: of a run that did not come to an end, or of one that has no lock. */
function notYetGuard({ fallback }: Exclusion): Guard {
  return {
    kind: 'guard',
    ask: lookForExclusion(fallback),
    expect: 'DEFAULT has no such CHECK yet',
    check: (row) =>
      row === undefined
        ? undefined
        : refuse(
            'stale',
            `${formatTableName(fallback)} has the CHECK ${exclusionName} already, for another range or of another run`,
          ),
  }
}

/** Another maintainer without a common lock takes it for one that was left there. */
function stillGuard({ fallback }: Exclusion): Guard {
  return {
    kind: 'guard',
    ask: lookForExclusion(fallback),
    expect: 'DEFAULT has the CHECK still',
    check: (row) => (row === undefined ? takenOff(fallback) : undefined),
  }
}

/** In the transaction of the ATTACH, after it: both locks are there already. */
export function dropExclusion(fallback: TableName): Action {
  return execute(sql`ALTER TABLE ONLY ${qualified(fallback)} DROP CONSTRAINT ${ident(exclusionName)}`)
}

/** Takes the CHECK off, where it is on: another maintainer may have come first. */
export function readmitSteps(
  { parent, partition: fallback, guard }: Pick<ReadmitOperation, 'parent' | 'partition' | 'guard'>,
  context: DdlContext,
): readonly Step[] {
  return [
    transaction(context, `let ${formatTableName(fallback)} take the rows of the range again`, [
      ...takeFirst(sql`LOCK TABLE ONLY ${qualified(fallback)} IN ACCESS EXCLUSIVE MODE`),
      {
        kind: 'guard',
        ask: lookAgain(parent, fallback),
        expect: 'it is the DEFAULT of the same parent',
        check: (row) =>
          checkParent(readSeen(row), {
            parent,
            parentOid: guard.parentOid,
            defaultOid: guard.oid,
            default: fallback,
          }),
      },
      execute(sql`ALTER TABLE ONLY ${qualified(fallback)} DROP CONSTRAINT IF EXISTS ${ident(exclusionName)}`),
      onlyIf(lacksConstraint(guard.oid, exclusionName)),
    ]),
  ]
}

/** Asks for the CHECK, and whether it is valid; no row where there is none. */
export function lookForExclusion(fallback: TableName): Sql {
  return sql`SELECT k.convalidated::text AS valid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${literal(fallback.schema)} AND c.relname = ${literal(fallback.name)} AND k.conname = ${literal(exclusionName)} AND k.contype = 'c'`
}

function takenOff(fallback: TableName): Refusal {
  return refuse('stale', `the CHECK ${exclusionName} of ${formatTableName(fallback)} was taken off meanwhile`)
}

function defaultGuard(exclusion: Exclusion, context: DdlContext): Guard {
  const { parent, partition, fallback, guard } = exclusion
  return {
    kind: 'guard',
    ask: lookAgain(parent, partition, guard),
    expect: `the parent and its DEFAULT are those of the plan, and it is before ${lastMoment(exclusion)}`,
    check: (row) => {
      const seen = readSeen(row)
      const moved = checkParent(seen, { parent, ...guard, default: fallback })
      return moved ?? (leftMs(exclusion, context, seen) > 0 ? undefined : tooLate(exclusion))
    },
  }
}

/** However large DEFAULT is: its validation ends in time, or is ended. */
function whileThereIsTime(exclusion: Exclusion, context: DdlContext): Action {
  const { parent, partition, fallback, guard } = exclusion
  return {
    kind: 'found',
    ask: lookAgain(parent, partition, guard),
    describe: `goes on only if the parent and its DEFAULT are those of the plan; statement_timeout ends the next statement at ${lastMoment(exclusion)}`,
    make: (row) => {
      const seen = readSeen(row)
      const moved = checkParent(seen, { parent, ...guard, default: fallback })
      if (moved) return moved
      const left = Math.min(leftMs(exclusion, context, seen), forHours(context).limits.statementTimeoutMs)
      if (left <= 0) return tooLate(exclusion)
      return [execute(sql`SELECT pg_catalog.set_config('statement_timeout', ${literal(`${left}ms`)}, true)`)]
    },
  }
}

function leftMs(exclusion: Exclusion, { now }: DdlContext, seen: Seen): number {
  const { epochMicroseconds } = Instant.from(lastMoment(exclusion))
  return Number((epochMicroseconds - (now ?? seen.now).epochMicroseconds) / 1_000n)
}

function lastMoment({ excludesFromDefault }: Exclusion): string {
  return excludesFromDefault.before
}

function tooLate({ fallback, range }: Exclusion): Refusal {
  return refuse(
    'stale',
    `${range.from} is too near by now for inserts from there on to be refused by ${formatTableName(fallback)} until the partition is attached`,
  )
}
