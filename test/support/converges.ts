import type { Pool } from 'pg'
import { expect } from 'vitest'

import type {
  ApplyOptions,
  MaintenancePlan,
  MaintenanceResult,
  Partsmith,
  PartsmithOptions,
  TableName,
  TablePartitionOptions,
} from '../../src/index.ts'
import { createPartsmith, formatTableName, planFromJson, planToJson } from '../../src/index.ts'
import { quoteIdentifier } from '../../src/model/quote.ts'
import { catalogOf, commentsOf, leftBehind, rowsOf, triggersOf } from './catalog-state.ts'
import type { TestDatabase } from './database.ts'

/** A case is only data: what is there, what is wanted, what time it is, what must come of it. */
export interface ConvergenceCase {
  /** SQL that makes the tables; left out where they are there already. */
  readonly given?: string
  readonly config: TablePartitionOptions
  readonly now: string
  /** The planned operations by id, in order: `create public.events__2026_01`. */
  readonly operations: readonly string[]
  /** The codes of the findings, sorted. @default none */
  readonly findings?: readonly string[]
  /** What is attached afterwards: `name FOR VALUES ..`, sorted by name. Left out: not looked at. */
  readonly attached?: readonly string[]
  /** Tables of the schema that are attached to nothing afterwards, sorted, the partitioned ones left out. */
  readonly standalone?: readonly string[]
  /** What is planned after the first apply, where one apply is not enough (a detach that was pending). @default none */
  readonly thenOperations?: readonly string[]
  /** The codes of the findings that stay once all is done, sorted. @default those of the plan */
  readonly thenFindings?: readonly string[]
  /** Operations that are not carried out, by id, with their status; they are planned again. */
  readonly notDone?: Readonly<Record<string, 'refused' | 'failed' | 'not-run'>>
  readonly partsmith?: Omit<PartsmithOptions, 'pool'>
  /** The pool that the tool is given. @default the database's own, which the harness looks with in any case */
  readonly pool?: Pool
}

export interface Converged {
  readonly partsmith: Partsmith
  readonly plan: MaintenancePlan
  readonly result: MaintenanceResult
}

/**
 * Plans, round-trips the plan through JSON, applies it, reads, plans again and expects nothing, and expects the old
 * plan to be refused. The harness remembers all of that, so that no author has to:
 *
 * - planning, planning again, a refused plan and a second run change nothing in the catalog;
 * - every row is visible through the parent exactly as often as before, but for those of detached and re-attached tables;
 * - only what was planned is created, dropped, attached and detached;
 * - the comments of users are as they were, no marker stays on an attached table, triggers are enabled as they were;
 * - no session is left in a transaction, no advisory lock and no setting is left behind.
 */
export async function converges(database: TestDatabase, wanted: ConvergenceCase): Promise<Converged> {
  if (wanted.given !== undefined) await database.sql(wanted.given)
  const partsmith = createPartsmith({ pool: wanted.pool ?? database.pool, ...wanted.partsmith })
  const { config, now } = wanted
  const at: ApplyOptions = { now }

  const before = await catalogOf(database)
  const plan = await partsmith.plan(config, at)
  expect(plan.operations.map(({ id }) => id)).toEqual(wanted.operations)
  expect(codesOf(plan)).toEqual(wanted.findings ?? [])
  explainsItself(plan)
  expect(await catalogOf(database), 'planning changes nothing').toEqual(before)
  // The same question has the same answer, byte for byte.
  expect(unmeasured(planToJson(await partsmith.plan(config, at)))).toBe(unmeasured(planToJson(plan)))
  const saved = planFromJson(planToJson(plan))
  expect(saved).toEqual(plan)

  const comments = await commentsOf(database)
  const triggers = await triggersOf(database)
  const rows = await expectedRows(database, { config, plan, notDone: wanted.notDone ?? {} })
  const result = await partsmith.apply(config, saved, { ...at, continueOnError: true })
  const notDone = wanted.notDone ?? {}
  const troubled = Object.values(notDone).filter((status) => status !== 'not-run')
  const errors = plan.findings.filter(({ severity }) => severity === 'error')
  expect(result.issues.map(({ message }) => message).slice(troubled.length)).toEqual(
    errors.map(({ message, next }) => `${message} ${next}`),
  )
  expect(result.success).toBe(troubled.length === 0 && errors.length === 0)
  expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual(
    wanted.operations.map((id) => `${id}: ${notDone[id] ?? 'done'}`),
  )
  for (const { message } of result.issues) expect(message).toMatch(/\.$/)
  if (wanted.attached) expect(await attachedTo(database, config)).toEqual(wanted.attached)
  if (wanted.standalone) expect(await standalone(database, config)).toEqual(wanted.standalone)
  expect(await rowsOf(database, [parentOf(config)]), 'the rows that the parent shows').toEqual(rows)
  expectKept(await commentsOf(database), comments)
  expectKept(await triggersOf(database), triggers)

  const after = await catalogOf(database)
  const left = wanted.operations.filter((id) => notDone[id] !== undefined)
  expect(relationsChanged(before, after)).toEqual(relationsPlanned(result))
  if (result.operations.some(({ status }) => status === 'done')) {
    await expect(partsmith.apply(config, saved, at)).rejects.toMatchObject({ code: 'plan-stale' })
    expect(await catalogOf(database), 'a refused plan changes nothing').toEqual(after)
  }
  if (wanted.thenOperations || left.length > 0) {
    const again = await partsmith.plan(config, at)
    expect(again.operations.map(({ id }) => id)).toEqual(wanted.thenOperations ?? left)
  }
  if (wanted.thenOperations) await partsmith.maintain(config, at)
  if (left.length === 0) {
    const settled = await catalogOf(database)
    const second = await partsmith.maintain(config, at)
    expect(second.plan?.operations, 'the second run has nothing to do').toEqual([])
    expect(second.operations).toEqual([])
    expect(second.success).toBe(second.findings.every(({ severity }) => severity !== 'error'))
    expect(await catalogOf(database), 'the second run writes nothing to the catalog').toEqual(settled)
    if (wanted.thenFindings) {
      expect(second.findings.map(({ code }) => code).sort()).toEqual(wanted.thenFindings)
    }
  }
  await leftBehind(database, wanted.pool)
  return { partsmith, plan, result }
}

function codesOf(plan: MaintenancePlan): readonly string[] {
  return plan.findings.map(({ code }) => code).sort()
}

/** Whoever reads a plan learns why, at what cost and what next, in sentences. */
export function explainsItself(plan: MaintenancePlan): void {
  const sentence = /^[^\s].*[^.\s]\.$/s
  for (const finding of plan.findings) {
    expect(finding.message).toMatch(sentence)
    expect(finding.next).toMatch(sentence)
    expect(`${finding.message} ${finding.next}`).not.toMatch(/undefined|\[object|NaN|null\b/)
  }
  for (const operation of plan.operations) {
    expect(operation.reason.text).toMatch(/\w{3}/)
    expect(operation.reason.text).not.toMatch(/undefined|\[object|NaN/)
    expect(operation.locks.length).toBeGreaterThan(0)
  }
  const ids = plan.operations.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
}

/** How long the server took to look for rows that refer is never twice the same; the checksum is over that, too. */
function unmeasured(json: string): string {
  return json.replaceAll(/("estimatedMs": )\d+|("checksum": )"\w+"/g, '$1$2')
}

function parentOf({ schema = 'public', tableName }: TablePartitionOptions): string {
  return quoted({ schema, name: tableName })
}

/** For SQL; `formatTableName` is for people. */
function quoted({ schema, name }: TableName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/** What the parent must show after the plan: less what is detached, and what is attached again besides. */
async function expectedRows(
  database: TestDatabase,
  about: {
    readonly config: TablePartitionOptions
    readonly plan: MaintenancePlan
    readonly notDone: NonNullable<ConvergenceCase['notDone']>
  },
): Promise<unknown> {
  const done = about.plan.operations.filter(({ id }) => about.notDone[id] === undefined)
  const named = (kind: string): readonly string[] =>
    done.filter((operation) => operation.kind === kind).map(({ partition }) => quoted(partition))
  return rowsOf(database, [parentOf(about.config), ...named('attach')], named('detach'))
}

/** Everything that was there and is there still is as it was. */
function expectKept(now: ReadonlyMap<string, unknown>, before: ReadonlyMap<string, unknown>): void {
  for (const [key, value] of before) if (now.has(key)) expect([key, now.get(key)]).toEqual([key, value])
}

type Catalog = Awaited<ReturnType<typeof catalogOf>>

function relationsChanged(before: Catalog, after: Catalog): readonly string[] {
  const was = new Map(before.relations.map(({ oid, name }) => [oid, name]))
  const is = new Map(after.relations.map(({ oid, name }) => [oid, name]))
  return [
    ...[...is].filter(([oid]) => !was.has(oid)).map(([, name]) => `made ${name}`),
    ...[...was].filter(([oid]) => !is.has(oid)).map(([, name]) => `gone ${name}`),
  ].sort()
}

function relationsPlanned({ operations }: MaintenanceResult): readonly string[] {
  return operations
    .filter(({ status, kind }) => status === 'done' && (kind === 'create' || kind === 'drop'))
    .map(({ kind, partition }) => `${kind === 'create' ? 'made' : 'gone'} ${formatTableName(partition)}`)
    .sort()
}

/** The attached partitions with their bounds, as PostgreSQL prints them in UTC. */
export async function attachedTo(
  database: TestDatabase,
  { schema = 'public', tableName }: Pick<TablePartitionOptions, 'schema' | 'tableName'>,
): Promise<readonly string[]> {
  const client = await database.pool.connect()
  try {
    await client.query(`BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'`)
    const { rows } = await client.query<{ line: string }>(
      `SELECT c.relname || ' ' || pg_get_expr(c.relpartbound, 0)
              || CASE WHEN i.inhdetachpending THEN ' pending' ELSE '' END AS line
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
       WHERE n.nspname = $1 AND p.relname = $2 ORDER BY c.relname COLLATE "C"`,
      [schema, tableName],
    )
    return rows.map(({ line }) => line)
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
}

async function standalone(
  database: TestDatabase,
  { schema = 'public' }: TablePartitionOptions,
): Promise<readonly string[]> {
  const rows = await database.sql(
    `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'f') AND NOT c.relispartition ORDER BY c.relname COLLATE "C"`,
    [schema],
  )
  return rows.map(({ relname }) => String(relname))
}
