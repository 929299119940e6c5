import { afterEach, beforeEach, expect, it } from 'vitest'

import { fromPg } from '../../src/index.ts'
import { CrashSite, expectOneRunToMendIt } from '../support/crash-world.ts'
import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import { crashScenarios, leavePending } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
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

describeEachServer('a detach that is pending and cannot be finished yet', (major) => {
  it('is reported, does not keep partitions from being made, and is finished when it can be', async () => {
    await using database = await createDatabase(major)
    await new CrashSite(database).visit(scenario, async (world) => {
      await leavePending(world, scenario)
      // FINALIZE waits for every older snapshot, of whatever table.
      const old = await holding(world, 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1')
      const config = { ...scenario.config, createAheadCount: 2 }
      const place = { ...world, interrupted: world.client, statementTimeoutMs: 300 }
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
