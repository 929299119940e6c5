import { formatTableName, sameTable } from '../model/table-name.ts'
import type { TableName } from '../model/table-name.ts'
import { lockModes } from '../plan/lock-conflicts.ts'
import type { LockRole, LockUse } from '../plan/operation.ts'
import type { DdlContext } from './ddl-context.ts'
import { jsonColumn, member } from './json-column.ts'
import { holdFast, lockTimeoutFor } from './settings.ts'
import type { Sql } from './sql.ts'
import { join, literal, qualified, sql, toText, trustedSql, wholeNumber } from './sql.ts'
import type { Action, Row } from './statement.ts'
import { execute } from './statement.ts'

/*
 * Never wait for a lock with a lock in hand.
 *
 * A client that waits for another client looks for a deadlock when its own wait has lasted for `deadlock_timeout`, and
 * ends itself if it finds one. Whoever waits with a lock in hand can be a part of it, however short the wait. So only the
 * first lock of a transaction is waited for; what is not free after that is not waited for, and all is given back.
 */

/** Takes the one lock of a transaction that it waits for. */
export function takeFirst(lock: Sql): readonly Action[] {
  return [execute(lock), execute(holdFast)]
}

export type Wanted = Pick<LockUse, 'relation' | 'mode' | 'role' | 'partitionOf'>

/** One statement that locks: the table alone, or with all that is below it. */
interface Take {
  readonly table: TableName
  readonly mode: LockUse['mode']
  readonly whole: boolean
  /** The role may have no right to lock it; the server takes the lock by itself then, when it needs it. */
  readonly mayLack: boolean
}

/**
 * Takes the locks of an operation, as far as the role may.
 *
 * Those at the other ends of foreign keys come first, because they are locked before or without the parent: who inserts
 * there looks into the parent with that lock in hand, and an insert into the parent often follows one into a table that
 * it refers to. Whoever has one of them has let go of the parent when the first lock is there. Then comes the parent,
 * which everything goes through to DEFAULT and to the partition.
 *
 * A table that others never leave by themselves while we have the one before it has to be the first. Which one that is
 * shows in nothing but that an attempt fails, so each attempt begins with the next one.
 */
export function takeLocks(
  locks: readonly Wanted[],
  {
    context,
    mayLack = [],
    isNew = false,
  }: {
    readonly context: DdlContext
    readonly mayLack?: readonly LockRole[]
    /** Nobody knows the partition, so it is never the one to be waited for. */
    readonly isNew?: boolean
  },
): readonly Action[] {
  const tops = locks
    .filter(({ partitionOf }) => partitionOf === undefined)
    .toSorted((a, b) => order.indexOf(a.role) - order.indexOf(b.role))
  const calm = isNew ? tops.filter(({ role }) => role === 'partition') : []
  const busy = tops.filter((top) => !calm.includes(top))
  const optional: readonly LockRole[] = ['referencing', 'referenced', ...mayLack]
  return [
    {
      kind: 'locks',
      take: (attempt) =>
        actionsFor(takesOf([...turned(busy, attempt - 1), ...calm], { below: locks, optional }), context),
    },
  ]
}

/** The same with another one first. */
function turned<T>(list: readonly T[], by: number): readonly T[] {
  const first = list[by % list.length]
  return first === undefined ? [] : [first, ...list.filter((one) => one !== first)]
}

function actionsFor(takes: readonly Take[], context: DdlContext): readonly Action[] {
  if (takes.every((take) => !take.mayLack)) return inOrder(takes).map(execute)
  const [least = '', ...others] = takes.map(describeTake)
  return [
    {
      kind: 'found',
      ask: askWhatMayBeLocked(takes),
      describe: `as far as the role may: ${[least, ...others.map((other) => `${other} NOWAIT`)].join('; ')}. Only the first waits; one that is not free is tried again and again for a moment, without waiting for it, and then all are given back`,
      make: (row) => {
        const allowed = allowedOf(takes, row)
        const patience = lockTimeoutFor(context.limits, context.deadlockTimeoutMs)
        return inOrder(allowed, row['may_loop'] === 'true' ? Math.floor(patience * 0.8) : undefined).map(
          execute,
        )
      },
    },
  ]
}

const order: readonly LockRole[] = ['referencing', 'referenced', 'parent', 'default', 'partition']

function takesOf(
  tops: readonly Wanted[],
  { below: all, optional }: { readonly below: readonly Wanted[]; readonly optional: readonly LockRole[] },
): readonly Take[] {
  return tops.flatMap(({ relation: table, mode, role }, index): readonly Take[] => {
    const take = { table, mode, mayLack: optional.includes(role) }
    const [below] = all
      .filter(({ partitionOf }) => partitionOf && sameTable(partitionOf, table))
      .map((lock) => lock.mode)
      .toSorted((a, b) => lockModes.indexOf(a) - lockModes.indexOf(b))
    if (below === undefined) return [{ ...take, whole: false }]
    // The first is waited for, and a statement that takes several waits for one with the others in hand.
    if (below === mode && index > 0) return [{ ...take, whole: true }]
    return [
      { ...take, whole: false },
      { ...take, mode: below, whole: true },
    ]
  })
}

function inOrder(takes: readonly Take[], tryForMs?: number): readonly Sql[] {
  const [first, ...others] = takes
  if (!first) return []
  return [
    lockTable(first),
    holdFast,
    ...others.map((take) => {
      const once = sql`${lockTable(take)} NOWAIT`
      return tryForMs === undefined ? once : tryAgain(once, tryForMs)
    }),
  ]
}

function lockTable({ table, mode, whole }: Take): Sql {
  return sql`LOCK TABLE ${trustedSql(whole ? '' : 'ONLY ')}${qualified(table)} IN ${trustedSql(mode)} MODE`
}

/**
 * Tries until the transaction is so many milliseconds old. Where others come and go in a table all the time it is free for
 * moments only; a try that fails leaves no trace, and nobody ever waits for whoever only tries.
 */
function tryAgain(once: Sql, forMs: number): Sql {
  const body = sql`BEGIN
  LOOP
    BEGIN
      ${once};
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      IF clock_timestamp() >= now() + ${wholeNumber(forMs)} * interval '1 millisecond' THEN RAISE; END IF;
    END;
    PERFORM pg_sleep(0.001);
  END LOOP;
END`
  return sql`DO ${literal(toText(body))}`
}

function describeTake({ table, mode, whole }: Take): string {
  return `LOCK TABLE ${whole ? '' : 'ONLY '}${formatTableName(table)} IN ${mode} MODE`
}

/**
 * LOCK TABLE needs a right to the table that the operation itself does not need. Before version 16 the right to change a
 * table is none to lock it as its readers do.
 */
function askWhatMayBeLocked(takes: readonly Take[]): Sql {
  const names = join(
    takes.map(({ table }) => sql`(${literal(table.schema)}, ${literal(table.name)})`),
    sql`, `,
  )
  return sql`SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'change', (pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE'))::text, 'read', has_table_privilege(c.oid, 'SELECT')::text))::text AS tables, EXISTS (SELECT FROM pg_language l WHERE l.lanname = 'plpgsql' AND has_language_privilege(l.oid, 'USAGE'))::text AS may_loop FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (n.nspname, c.relname) IN (${names})`
}

function allowedOf(takes: readonly Take[], row: Row): readonly Take[] {
  const tables = jsonColumn(row['tables'], (table) => ({
    table: { schema: member(table, 'schema'), name: member(table, 'name') },
    'ACCESS SHARE': member(table, 'read') === 'true',
    others: member(table, 'change') === 'true',
  }))
  return takes.filter(({ table, mode, mayLack }) => {
    const rights = tables.find((one) => sameTable(one.table, table))
    return !mayLack || rights?.[mode === 'ACCESS SHARE' ? mode : 'others'] === true
  })
}
