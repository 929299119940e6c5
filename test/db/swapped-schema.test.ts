import { expect, it } from 'vitest'

import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import { CrashSite, expectOneRunToMendIt, statementsOf } from '../support/crash-world.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { interruptibleRun } from '../support/interruptible-run.ts'
import { observedClient } from '../support/observed-client.ts'
import { sweepFor } from '../support/sweep.ts'

const twin = 'twin'
const away = 'swapped_away'

/**
 * ALTER SCHEMA .. RENAME takes no lock of a table, so it can come between any two statements of a run: what had been made
 * ready in another schema takes the place of all that is maintained.
 */
describeEachServer('a schema that is swapped for another with the same tables', (major) => {
  const sweep = sweepFor(major)
  const scenarios = sweep.scenarios.filter(({ operations, adopt }) => operations.length === 1 || adopt)

  it.concurrent.each(scenarios)('changes nothing in it before any statement of: $name', async (scenario) => {
    await using database = await createDatabase(major)
    const site = new CrashSite(database)
    const statements = await statementsOf(site, scenario)
    for (const [index, text] of statements.entries()) {
      if (!sweep.includes(text, scenario)) continue
      const where = `before ${index + 1} of ${statements.length}: ${text}`
      await site.visit(scenario, (world) => expectOtherUntouched({ world, scenario, at: index + 1 }, where))
    }
  })
})

interface Case {
  readonly world: World
  readonly scenario: CrashScenario
  readonly at: number
}

async function expectOtherUntouched({ world, scenario, at }: Case, where: string): Promise<void> {
  const { schema } = world
  await world.sql(`DROP SCHEMA IF EXISTS ${twin} CASCADE; CREATE SCHEMA ${twin}; SET search_path = ${twin}`)
  await world.sql(`${scenario.given}; SET search_path = ${schema}`)
  const before = await tablesOf(world, twin)
  const interrupted = observedClient(world.client, {
    beforeSending: async ({ number }) => {
      if (number !== at) return
      await world.sql(
        `BEGIN; ALTER SCHEMA ${schema} RENAME TO ${away}; ALTER SCHEMA ${twin} RENAME TO ${schema}; COMMIT`,
      )
    },
  })
  const { said, operations } = await interruptibleRun(scenario, { ...world, interrupted }).then(
    (result) => ({
      said: result?.issues.map(({ message }) => message).join('\n') ?? '',
      operations: result?.operations.length ?? 0,
    }),
    (error: unknown) => ({ said: String(error), operations: 0 }),
  )
  const after = await tablesOf(world, schema)
  await world.sql(
    `BEGIN; ALTER SCHEMA ${schema} RENAME TO ${twin}; ALTER SCHEMA ${away} RENAME TO ${schema}; COMMIT`,
  )
  // It cannot be undone, and no lock forbids it, so it is told.
  const isTold = said.includes('another table of that name was detached')
  expect(isTold && scenario.name !== 'detach, concurrently', where).toBe(false)
  // What a run has planned after the swap is about what it has found then.
  const isPlannedAnew = operations > scenario.operations.length
  expect(isTold || isPlannedAnew ? before : after, where).toEqual(before)
  await world.sql(`DROP SCHEMA ${twin} CASCADE`)
  await expectOneRunToMendIt(world, scenario, where)
}

/** Everything that a run could change of a table but what the planner of the server remembers. */
async function tablesOf({ sql }: World, schema: string): Promise<readonly unknown[]> {
  return sql(
    `SELECT c.oid::text, c.relname, c.relispartition, i.inhparent::text, i.inhdetachpending, c.relowner::text,
            obj_description(c.oid, 'pg_class') AS comment, pg_get_expr(c.relpartbound, c.oid) AS bound,
            (SELECT json_agg(k.conname ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid) AS constraints,
            query_to_xml(format('SELECT count(*), sum(id) FROM %s', c.oid::regclass), false, false, '')::text AS rows
     FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.oid`,
    [schema],
  )
}
