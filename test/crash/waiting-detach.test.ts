import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'

import { fromPg } from '../../src/index.ts'
import { CrashSite, expectOneRunToMendIt, statementsOf } from '../support/crash-world.ts'
import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import { crashScenarios, leavePending } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { DoomedProcesses, untilTheServerNoticed } from '../support/doomed-processes.ts'
import { interruptibleRun } from '../support/interruptible-run.ts'
import { observedClient } from '../support/observed-client.ts'

const scenario = scenarioNamed('detach, concurrently')

describeEachServer('a detach that waits for others', (major) => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createDatabase(major)
  })
  afterEach(() => database.drop())

  it('and is cut when it is pending is finished by the next run', async () => {
    await new CrashSite(database).visit(scenario, async (world) => {
      const reader = await holding(world, 'SELECT * FROM events')
      const running = interruptibleRun(scenario, { ...world, interrupted: world.client })
      await until(world, isPending)
      await cut(world, `query LIKE 'ALTER TABLE%CONCURRENTLY'`)
      expect(await running).toMatchObject({ success: false, errorCode: 'connection-failed' })
      expect(await world.sql(isPending)).toHaveLength(1)
      await reader[Symbol.asyncDispose]()
      await expectOneRunToMendIt(world, scenario, 'pending')
    })
  })

  it('and is cut before it is pending leaves the partition attached', async () => {
    await new CrashSite(database).visit(scenario, async (world) => {
      const blocker = await holding(world, 'LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE')
      const running = interruptibleRun(scenario, { ...world, interrupted: world.client })
      await until(world, isWaiting)
      await cut(world, `query LIKE 'ALTER TABLE%CONCURRENTLY'`)
      expect(await running).toMatchObject({ success: false, errorCode: 'connection-failed' })
      expect(await world.sql(isPending)).toHaveLength(0)
      await blocker[Symbol.asyncDispose]()
      await expectOneRunToMendIt(world, scenario, 'not pending')
    })
  })

  it('and loses the connection that keeps its name is cancelled, for the name may be another table’s by now', async () => {
    await new CrashSite(database).visit(scenario, async (world) => {
      const blocker = await holding(world, 'LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE')
      const interrupted = observedClient(fromPg(database.pool), {
        beforeAnswer: async ({ text, pid }) => {
          if (!text.includes('inhdetachpending::text AS pending FROM pg_inherits i WHERE')) return
          await world.sql('SELECT pg_terminate_backend($1)', [pid])
        },
      })
      expect(await interruptibleRun(scenario, { ...world, interrupted })).toMatchObject({
        success: false,
        errorCode: 'connection-failed',
      })
      expect(await world.sql(isWaiting)).toEqual([])
      await blocker[Symbol.asyncDispose]()
      expect(await world.sql(isPending)).toHaveLength(0)
      await expectOneRunToMendIt(world, scenario, 'not pinned')
    })
  })

  it('and goes on without a client does not disturb the next run, nor that run it', async () => {
    await new CrashSite(database).visit(scenario, async (world) => {
      await world.sql(`UPDATE events SET at = at`)
      const reader = await holding(world, 'SELECT * FROM events')
      // As after kill -9: the server goes on with the statement.
      const orphaned = await holding(world, 'SELECT 1')
      await orphaned.query('COMMIT')
      const detached = orphaned.query(
        `ALTER TABLE ${world.schema}.events DETACH PARTITION ${world.schema}.events__2026_01 CONCURRENTLY`,
      )
      await until(world, isPending)
      const meanwhile = await interruptibleRun(scenario, { ...world, interrupted: world.client })
      expect(meanwhile?.error).toBeUndefined()
      await reader[Symbol.asyncDispose]()
      // Whoever comes second finds that it is done.
      await detached.catch(() => undefined)
      await orphaned[Symbol.asyncDispose]()
      const result = await interruptibleRun(scenario, { ...world, interrupted: world.client })
      expect(result).toMatchObject({ success: true, issues: [] })
      expect(await world.sql(isPending)).toHaveLength(0)
    })
  })
})

describeEachServer('a detach whose process is killed while it waits', (major) => {
  let doomed: DoomedProcesses
  beforeAll(() => {
    doomed = new DoomedProcesses()
  })
  afterAll(() => doomed[Symbol.dispose]())

  it.each([
    ['it is pending', 'SELECT * FROM events', 1],
    ['it has its first lock', 'LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE', 0],
  ])('until %s ends on the server, too, while others go on', async (_, blocking, pending) => {
    await using database = await createDatabase(major)
    const site = new CrashSite(database)
    const statements = await statementsOf(site, scenario)
    const dieAt = statements.findIndex((text) => /^ALTER TABLE.*CONCURRENTLY$/.test(text)) + 1
    await site.visit(scenario, async (world) => {
      const blocker = await holding(world, blocking)
      await doomed.killed({ url: database.url, schema: world.schema, run: scenario, dieAt }, blocking)
      await untilTheServerNoticed(world)
      expect(await world.sql(isPending)).toHaveLength(pending)
      await blocker[Symbol.asyncDispose]()
      await expectOneRunToMendIt(world, scenario, blocking)
    })
  })
})

describeEachServer('a detach that is pending and cannot be finished yet', (major) => {
  it.each([
    // FINALIZE waits for every older snapshot, of whatever table.
    ['an old snapshot', 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1'],
    ['a reader of the partition itself', 'SELECT * FROM events__2026_01'],
  ])(
    'because of %s is reported, keeps no partition from being made, and is finished later',
    async (_, holds) => {
      await using database = await createDatabase(major)
      await new CrashSite(database).visit(scenario, async (world) => {
        await leavePending(world, scenario)
        const old = await holding(world, holds)
        const config = { ...scenario.config, createAheadCount: 2 }
        const place = { ...world, interrupted: world.client, statementTimeoutMs: 2_000 }
        const result = await interruptibleRun({ ...scenario, config }, place)
        expect(result).toMatchObject({
          success: false,
          createdCount: 1,
          issues: [{ step: 'finalize', code: 'lock-timeout' }],
        })
        expect(result?.error).toBeUndefined()
        await old[Symbol.asyncDispose]()
        await expectOneRunToMendIt(world, scenario, 'finished')
      })
    },
  )
})

describeEachServer('a second detach beside one that is pending', (major) => {
  it('is refused by PostgreSQL, so a run finishes the one and then does the others', async () => {
    await using database = await createDatabase(major)
    await new CrashSite(database).visit(scenario, async (world) => {
      await world.sql(
        `CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`,
      )
      await leavePending(world, scenario)
      expect(await world.sql(isPending)).toHaveLength(1)
      const [other] = await world.sql(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass
         AND NOT inhdetachpending AND inhrelid <> 'events__2026_03'::regclass`,
      )
      await expect(
        world.sql(`ALTER TABLE events DETACH PARTITION ${String(other?.['name'])} CONCURRENTLY`),
      ).rejects.toMatchObject({ code: '55000' })
      const result = await interruptibleRun(scenario, { ...world, interrupted: world.client })
      expect(result).toMatchObject({ success: true, finalizedCount: 1, detachedCount: 1, issues: [] })
      expect(await world.sql(isPending)).toHaveLength(0)
    })
  })
})

const isPending = `SELECT FROM pg_inherits WHERE inhdetachpending`
const isWaiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
  AND query LIKE 'ALTER TABLE%CONCURRENTLY'`

async function until({ sql }: World, question: string): Promise<void> {
  while ((await sql(question)).length === 0);
}

async function cut({ sql }: World, whose: string): Promise<void> {
  const sessions = `FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND ${whose}`
  expect(await sql(`SELECT pg_terminate_backend(pid) ${sessions}`)).toHaveLength(1)
}

interface Holder extends AsyncDisposable {
  query(text: string): Promise<unknown>
}

/** A session that did this in a transaction and stays in it. */
async function holding({ client, schema }: World, text: string): Promise<Holder> {
  const connection = await client.connect()
  await connection.query(`SET search_path = ${schema}`)
  await connection.query(`BEGIN; ${text}`)
  return {
    query: (more) => connection.query(more),
    [Symbol.asyncDispose]: async () => connection.release(true),
  }
}

function scenarioNamed(name: string): CrashScenario {
  const found = crashScenarios.find((candidate) => candidate.name === name)
  if (!found) throw new Error(`There is no scenario ${name}.`)
  return found
}
