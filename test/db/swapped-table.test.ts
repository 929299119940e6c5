import { expect, it } from 'vitest'

import { CrashSite, statementsOf } from '../support/crash-world.ts'
import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { interruptibleRun } from '../support/interruptible-run.ts'
import { observedClient } from '../support/observed-client.ts'
import { sweepFor } from '../support/sweep.ts'

/**
 * Ways to have another table under a name that was planned with. `{p}` is the partition that the scenario is about. A
 * stranger holds the rows 1001 and 1002, which would fit into whatever the run makes or moves.
 */
const swaps = {
  'the partition, by a stranger': `ALTER TABLE {p} RENAME TO swapped_away;
    CREATE TABLE {p} (LIKE events INCLUDING ALL EXCLUDING GENERATED);
    INSERT INTO {p} (id, at) VALUES (1001, '2026-01-20'), (1002, '2026-01-21');`,
  'the partition, by another partition': `ALTER TABLE {p} RENAME TO swapped_away; ALTER TABLE events__2026_03 RENAME TO {p};`,
  'the parent': `ALTER TABLE events RENAME TO swapped_away;
    CREATE TABLE events (LIKE swapped_away INCLUDING ALL) PARTITION BY RANGE (at);`,
  'the DEFAULT partition': `ALTER TABLE rest RENAME TO swapped_away; CREATE TABLE rest (LIKE events);
    INSERT INTO rest (id, at) VALUES (1001, '2026-01-20'), (1002, '2026-04-20');`,
} as const

type Swap = keyof typeof swaps
const swapNames: readonly Swap[] = [
  'the partition, by a stranger',
  'the partition, by another partition',
  'the parent',
  'the DEFAULT partition',
]

describeEachServer('a table that is swapped for another of the same name', (major) => {
  const sweep = sweepFor(major)
  const scenarios = sweep.scenarios.filter(({ operations, adopt }) => operations.length === 1 || adopt)
  const cases = scenarios.flatMap((scenario) =>
    swapNames
      .filter((swap) => swap !== 'the DEFAULT partition' || scenario.given.includes('DEFAULT;'))
      // Made in one transaction, a partition cannot be seen by anybody who would swap it.
      .filter((swap) => !swap.startsWith('the partition') || scenario.name !== 'create')
      .map((swap) => ({ scenario, swap, name: scenario.name })),
  )

  it.concurrent.each(cases)('$swap, before any statement of: $name', async ({ scenario, swap }) => {
    await using database = await createDatabase(major)
    const site = new CrashSite(database)
    const statements = await statementsOf(site, scenario)
    let swapped = 0
    for (const [index, text] of statements.entries()) {
      if (!sweep.includes(text, scenario)) continue
      const where = `before ${index + 1} of ${statements.length}: ${text}`
      await site.visit(scenario, async (world) => {
        if (await expectNothingWrong({ world, scenario, swap, at: index + 1 }, where)) swapped += 1
      })
    }
    expect(swapped).toBeGreaterThan(0)
  })
})

interface Case {
  readonly world: World
  readonly scenario: CrashScenario
  readonly swap: Swap
  readonly at: number
}

/** Gives false where the swap was not possible: the run had a lock on the table, or there was none yet. */
async function expectNothingWrong({ world, scenario, swap, at }: Case, where: string): Promise<boolean> {
  const partition = scenario.adopt ?? scenario.operations[0]?.split(' ')[1] ?? ''
  const script = swaps[swap].replaceAll('{p}', partition)
  const rowsBefore = await rowsOf(world)
  const about = (await tables(world)).find(({ name }) => name === partition)?.oid
  let swapped: readonly Table[] | undefined
  let problem: unknown
  const interrupted = observedClient(world.client, {
    beforeSending: async ({ number }) => {
      if (number !== at) return
      try {
        if (await swapTables(world, script)) swapped = await tables(world)
      } catch (error) {
        problem = error
      }
    },
  })
  await interruptibleRun(scenario, { ...world, interrupted }).catch(() => undefined)
  expect(problem, where).toBeUndefined()
  if (swapped === undefined) return false

  const after = await tables(world)
  const nowOf = ({ oid }: Table): Table | undefined => after.find((table) => table.oid === oid)
  const [own] = swapped.filter(({ oid }) => oid === about)
  // Under another name it is not the planned table any more. Under its own it may go its way.
  const hasVanished = own !== undefined && own.name !== partition && !nowOf(own)
  expect(hasVanished, where).toBe(false)
  const others = swapped.filter(
    (table) => table.oid !== about && table.comment?.startsWith('pg-partsmith:building') !== true,
  )
  expect(others.map(nowOf), where).toEqual(others)
  const strangers = swap === 'the partition, by a stranger' || swap === 'the DEFAULT partition'
  const rows = await rowsOf(world)
  const all = [...rows.values()].flat().filter((id) => id < 1000)
  const isDropped =
    !after.some(({ oid }) => oid === about) && scenario.operations[0]?.startsWith('drop') === true
  const wanted = [...rowsBefore.entries()].flatMap(([oid, ids]) => (isDropped && oid === about ? [] : ids))
  expect(all.sort(byNumber), where).toEqual(wanted.sort(byNumber))
  const strange = [...rows.values()].filter((ids) => ids.some((id) => id > 1000))
  expect(strange, where).toEqual(strangers ? [[1001, 1002]] : [])
  return true
}

const byNumber = (a: number, b: number): number => a - b

/** Without waiting: where the run has a lock, nothing can be swapped. */
async function swapTables({ sql }: World, script: string): Promise<boolean> {
  try {
    await sql(`BEGIN; SET LOCAL lock_timeout = '20ms'; ${script} COMMIT`)
    return true
  } catch (error) {
    await sql('ROLLBACK')
    expect(['55P03', '42P01']).toContain(Reflect.get(Object(error), 'code'))
    return false
  }
}

interface Table {
  readonly oid: string
  readonly name: string
  readonly comment: string | null
  readonly attached: string | null
}

/** Every table of the world, from the catalog alone: the run may hold any lock. */
async function tables({ schema, sql }: World): Promise<readonly Table[]> {
  const found = await sql(
    `SELECT c.oid::text, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment,
            (SELECT i.inhparent::text || ' ' || pg_get_expr(c.relpartbound, 0) || ' ' || i.inhdetachpending
             FROM pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition) AS attached
     FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.oid`,
    [schema],
  )
  return found.map(({ oid, name, comment, attached }) => ({
    oid: String(oid),
    name: String(name),
    comment: typeof comment === 'string' ? comment : null,
    attached: typeof attached === 'string' ? attached : null,
  }))
}

/** The ids of every table with rows of its own, by OID. */
async function rowsOf(world: World): Promise<ReadonlyMap<string, readonly number[]>> {
  const rows = new Map<string, readonly number[]>()
  const own = `SELECT c.oid::text, c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = '${world.schema}'::regnamespace AND c.relkind = 'r' AND a.attname = 'at'`
  for (const { oid, name } of await world.sql(own)) {
    const ids = await world.sql(`SELECT id::int AS id FROM ${String(name)} ORDER BY id`)
    rows.set(
      String(oid),
      ids.map(({ id }) => Number(id)),
    )
  }
  return rows
}
