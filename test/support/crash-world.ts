/** A schema of its own for each interruption, and the questions that every one of them must stand. */

import { Pool } from 'pg'
import { expect } from 'vitest'

import { fromPg } from '../../src/index.ts'
import type { CrashScenario, World } from './crash-scenarios.ts'
import type { ScenarioRun } from './interruptible-run.ts'
import { interruptibleRun, serviceOn } from './interruptible-run.ts'
import type { TestDatabase } from './database.ts'
import { observedClient } from './observed-client.ts'

/** Makes one world after the other in a database. */
export class CrashSite {
  readonly #database: TestDatabase
  #made = 0

  constructor(database: TestDatabase) {
    this.#database = database
  }

  /** Sets the scenario up, lets `work` happen to it, and removes what is left. */
  async visit(scenario: CrashScenario, work: (world: World) => Promise<void>): Promise<void> {
    const schema = `world_${(this.#made += 1)}`
    const own = new Pool({
      connectionString: this.#database.url,
      max: 1,
      options: `-c search_path=${schema}`,
      application_name: 'the test itself',
    })
    // A test that failed drops the database under it.
    own.on('error', () => undefined)
    own.on('connect', (client) => client.on('error', () => undefined))
    const world: World = {
      schema,
      client: fromPg(this.#database.pool),
      sql: async (text, values) => {
        const result = values === undefined ? await own.query(text) : await own.query(text, [...values])
        return [result].flat().at(-1)?.rows ?? []
      },
    }
    try {
      await world.sql(`CREATE SCHEMA ${schema}; ${scenario.given}`)
      await scenario.prepare?.(world)
      await work(world)
      await world.sql(`SET client_min_messages = warning; DROP SCHEMA ${schema} CASCADE`)
    } finally {
      await own.end()
    }
  }
}

/** The statements of a run to its end, which are what there is to interrupt. */
export async function statementsOf(site: CrashSite, scenario: CrashScenario): Promise<readonly string[]> {
  for (;;) {
    const { statements, hasGivenWay } = await observeRun(site, scenario)
    // On a busy machine what prepared the scenario may still be in the way; the run that is interrupted meets nobody.
    if (!hasGivenWay) return statements
  }
}

async function observeRun(
  site: CrashSite,
  scenario: CrashScenario,
): Promise<{ readonly statements: readonly string[]; readonly hasGivenWay: boolean }> {
  const statements: string[] = []
  let hasGivenWay = false
  await site.visit(scenario, async (world) => {
    const observed = observedClient(world.client, {
      beforeSending: ({ number, text }) => {
        if (number !== undefined) statements.push(text.trim().replaceAll(/\s+/g, ' '))
      },
    })
    const result = await interruptibleRun(scenario, { ...world, interrupted: observed })
    expect(result?.operations.map(({ id, status }) => `${id}: ${status}`) ?? []).toEqual(
      scenario.operations.map((id) => `${id.replace(' ', ` ${world.schema}.`)}: done`),
    )
    hasGivenWay = result?.operations.some(({ waited }) => (waited?.gaveWayCount ?? 0) > 0) ?? false
    await expectOneRunToMendIt(world, scenario, 'without an interruption')
  })
  return { statements, hasGivenWay }
}

/** Runs again, once, and expects that nothing is left to be done and that everything is in its place. */
export async function expectOneRunToMendIt(
  world: World,
  scenario: CrashScenario,
  where: string,
): Promise<void> {
  const place = { schema: world.schema, client: world.client, interrupted: world.client }
  if (scenario.adopt !== undefined) await interruptibleRun(scenario, place)
  const maintain: ScenarioRun = { config: scenario.config, now: scenario.now }
  const result = await interruptibleRun(maintain, place)
  expect(result?.issues, where).toEqual([])
  expect(result?.error, where).toBeUndefined()
  expect(result?.success, where).toBe(true)

  const config = { ...scenario.config, schema: world.schema }
  const { operations } = await serviceOn(place).plan(config, { now: scenario.now })
  expect(
    operations.map(({ id }) => id),
    where,
  ).toEqual([])
  expect(await rowsOf(world), where).toEqual({ beside: {}, ...scenario.rows })
  expect(await leftBehind(world), where).toEqual([])
  if (scenario.also !== undefined) expect(await world.sql(scenario.also), where).toEqual([{ fine: true }])
}

/** What a run would do now. */
export async function planned(
  { config, now }: ScenarioRun,
  { client, schema }: World,
): Promise<readonly string[]> {
  const service = serviceOn({ client, interrupted: client })
  return (await service.plan({ ...config, schema }, { now })).operations.map(({ id }) => id)
}

/** The ids of the parent's rows, each as often as it is there, and those of the tables beside it. */
async function rowsOf({ schema, sql }: World): Promise<CrashScenario['rows']> {
  const parent = await sql(`SELECT id::int AS id FROM events ORDER BY id`)
  const tables = await sql(
    `SELECT relname::text AS name FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relkind = 'r'
     AND NOT relispartition AND relname LIKE ANY (ARRAY['events%', 'legacy', 'rest']) ORDER BY relname`,
  )
  const beside: Record<string, readonly number[]> = {}
  for (const { name } of tables) {
    beside[String(name)] = idsOf(await sql(`SELECT id::int AS id FROM "${String(name)}" ORDER BY id`))
  }
  return { parent: idsOf(parent), beside }
}

const idsOf = (rows: readonly Record<string, unknown>[]): readonly number[] =>
  rows.map(({ id }) => Number(id))

/** What must never be left: half-built and unmarked tables, stray markers, pending detaches, locks, open transactions. */
async function leftBehind({ schema, sql }: World): Promise<readonly unknown[]> {
  return sql(
    `WITH others AS (SELECT * FROM pg_stat_activity WHERE datname = current_database()
       AND backend_type = 'client backend' AND pid <> pg_backend_pid())
     SELECT 'half-built ' || c.oid::regclass AS left_behind FROM pg_class c
       WHERE c.relnamespace = $1::regnamespace AND obj_description(c.oid, 'pg_class') LIKE 'pg-partsmith:building%'
     UNION ALL SELECT 'not attached and not marked ' || c.oid::regclass FROM pg_class c
       WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
         AND c.relname LIKE ANY (ARRAY['events%', 'legacy'])
         AND coalesce(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'pg-partsmith:orphan%'
     UNION ALL SELECT 'marker on an attached partition ' || c.oid::regclass FROM pg_class c
       WHERE c.relnamespace = $1::regnamespace AND c.relispartition
         AND obj_description(c.oid, 'pg_class') LIKE 'pg-partsmith:%'
     UNION ALL SELECT 'detach pending ' || i.inhrelid::regclass FROM pg_inherits i
       JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relnamespace = $1::regnamespace AND i.inhdetachpending
     UNION ALL SELECT 'lock ' || l.mode || ' of ' || l.locktype FROM pg_locks l JOIN others a ON a.pid = l.pid
     UNION ALL SELECT 'open transaction: ' || a.query FROM others a WHERE a.xact_start IS NOT NULL`,
    [schema],
  )
}
