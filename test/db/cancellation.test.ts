import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { DatabaseClient, PartitionLifecycleHooks, TablePartitionOptions } from '../../src/index.ts'
import {
  createPartsmith,
  fromPg,
  PartitionLifecycleService,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
  RunAbortedError,
} from '../../src/index.ts'
import { CrashSite, expectOneRunToMendIt, statementsOf } from '../support/crash-world.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { interruptibleRun } from '../support/interruptible-run.ts'
import { latch } from '../support/latch.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { sweepFor } from '../support/sweep.ts'

const now = '2026-03-15T12:00:00Z'
const ahead: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
}
const expiring: TablePartitionOptions = {
  ...ahead,
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: '1 day',
}
const events = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');`
const january = `
CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');`

describeEachServer('a run that is stopped', (major) => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createDatabase(major)
    await database.sql(events)
  })
  afterEach(() => database.drop())

  it('before it began does nothing, and says so in a result', async () => {
    const { maintainer } = createPartsmith({ pool: database.pool })
    const result = await maintainer.runMaintenanceSafe(ahead, { now, signal: AbortSignal.abort() })
    expect(result).toMatchObject({ success: false, errorCode: 'aborted', operations: [], issues: [] })
    expect(result.error).toMatch(/^The run was stopped before .*\.$/)
    await expectAllReturned()
  })

  it('in many steps does not listen more and more for that', async () => {
    const months = Array.from({ length: 12 }, (_, index) => {
      const [from = '', to = ''] = [index, index + 1].map((month) =>
        new Date(Date.UTC(2025, month)).toISOString(),
      )
      return `CREATE TABLE old_${index} PARTITION OF events FOR VALUES FROM ('${from}') TO ('${to}');`
    })
    await database.sql(months.join(''))
    const warnings: Error[] = []
    const heed = (warning: Error): void => void warnings.push(warning)
    process.on('warning', heed)
    const { maintainer } = createPartsmith({ pool: database.pool })
    const { signal } = new AbortController()
    const result = await maintainer.runMaintenanceSafe(expiring, { now, signal })
    expect(result).toMatchObject({ success: true, detachedCount: 12 })
    await new Promise(setImmediate)
    process.off('warning', heed)
    expect(warnings).toEqual([])
  })

  it('throws a RunAbortedError with the reason as its cause where errors are thrown', async () => {
    const partsmith = createPartsmith({ pool: database.pool })
    const reason = new Error('the deployment is over')
    await expect(partsmith.maintain(ahead, { now, signal: AbortSignal.abort(reason) })).rejects.toMatchObject(
      {
        constructor: RunAbortedError,
        code: 'aborted',
        cause: reason,
      },
    )
  })

  it('while it waits for a connection stops waiting', async () => {
    const pool = ownPool(database, { max: 3 })
    const held = await Promise.all([pool.connect(), pool.connect(), pool.connect()])
    const stop = new AbortController()
    const running = createPartsmith({ pool }).maintainer.runMaintenanceSafe(ahead, {
      now,
      signal: stop.signal,
    })
    while (pool.waitingCount === 0) await new Promise(setImmediate)
    stop.abort()
    expect(await running).toMatchObject({ success: false, errorCode: 'aborted' })
    for (const client of held) client.release()
  })

  it('while it reads, at any statement, has changed nothing', async () => {
    await database.sql(`CREATE TABLE rest PARTITION OF events DEFAULT`)
    const before = await database.sql(`SELECT oid FROM pg_class`)
    let statements = Number.POSITIVE_INFINITY
    for (let at = 1; at <= statements; at += 1) {
      const stop = new AbortController()
      let sent = 0
      const client = observedClient(fromPg(database.pool), {
        beforeAnswer: () => {
          sent += 1
          if (sent === at) stop.abort()
        },
      })
      const service = serviceOn({ metadata: client, changes: neverUsed })
      const { result } = await service.run(ahead, { now, signal: stop.signal })
      // Stopped at its last statement it goes on to the first change, which is refused.
      statements = sent < at ? sent : Number.POSITIVE_INFINITY
      expect(result.errorCode, `at ${at}`).toBe(sent < at ? 'connection-failed' : 'aborted')
      await expectAllReturned()
    }
    expect(statements).toBeGreaterThan(10)
    expect(await database.sql(`SELECT oid FROM pg_class`)).toEqual(before)
  })

  it('while a statement waits for a lock has it cancelled on the server', async () => {
    await database.sql(`CREATE TABLE rest PARTITION OF events DEFAULT`)
    const holder = await database.pool.connect()
    await holder.query('BEGIN; SELECT * FROM events')
    const stop = new AbortController()
    // The lock timeout stays below the deadlock timeout.
    const pool = ownPool(database, { options: '-c deadlock_timeout=120s' })
    const partsmith = createPartsmith({ pool, lockTimeoutMs: 60_000, statementTimeoutMs: 60_000 })
    const running = partsmith.maintainer.runMaintenanceSafe(ahead, { now, signal: stop.signal })
    await untilSomebodyWaits()
    const stopped = performance.now()
    stop.abort()
    const result = await running
    // Without the cancellation it would go on until its lock timeout.
    expect(performance.now() - stopped).toBeLessThan(30_000)
    expect(result).toMatchObject({ success: false, errorCode: 'aborted', createdCount: 0 })
    await expectNobodyIsBusy()
    holder.release(true)
    expect(await partsmith.maintain(ahead, { now })).toMatchObject({ success: true, createdCount: 1 })
  })

  it('while a concurrent detach waits has it cancelled, and the next run finishes it', async () => {
    await database.sql(january)
    const reader = await database.pool.connect()
    await reader.query('BEGIN; SELECT * FROM events')
    const stop = new AbortController()
    const partsmith = createPartsmith({ pool: database.pool })
    const running = partsmith.maintainer.runMaintenanceSafe(expiring, { now, signal: stop.signal })
    const pending = `SELECT FROM pg_inherits WHERE inhdetachpending`
    while ((await database.sql(pending)).length === 0);
    stop.abort()
    expect(await running).toMatchObject({ success: false, errorCode: 'aborted', detachedCount: 0 })
    await expectNobodyIsBusy()
    expect(await partsmith.locks.isLocked({ schema: 'public', name: 'events' })).toBe(false)
    expect(await database.sql(pending)).toHaveLength(1)
    await reader.query('COMMIT')
    reader.release()
    expect(await partsmith.maintain(expiring, { now })).toMatchObject({ success: true, finalizedCount: 1 })
  })

  describe('in a hook', () => {
    it('that listens to its signal ends with it, and nothing was changed', async () => {
      const stop = new AbortController()
      const called: string[] = []
      const hooks: PartitionLifecycleHooks = {
        beforeCreate: async ({ signal, partitionName }) => {
          called.push(partitionName)
          const aborted = new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(new Error('the hook saw it')))
          })
          stop.abort()
          await aborted
        },
      }
      const { maintainer } = createPartsmith({ pool: database.pool, hooks: [hooks] })
      const result = await maintainer.runMaintenanceSafe(ahead, { now, signal: stop.signal })
      expect(result).toMatchObject({ success: false, errorCode: 'aborted', createdCount: 0 })
      expect(called).toEqual(['events__2026_04'])
      await expectAllReturned()
    })

    it('that does not listen is left behind after a while', async () => {
      const stop = new AbortController()
      const never = latch()
      const hooks: PartitionLifecycleHooks = {
        beforeCreate: async () => {
          stop.abort()
          await never.opened
        },
      }
      const { maintainer, locks } = createPartsmith({ pool: database.pool, hooks: [hooks] })
      const result = await maintainer.runMaintenanceSafe(ahead, { now, signal: stop.signal })
      expect(result).toMatchObject({ success: false, errorCode: 'aborted', createdCount: 0 })
      expect(await locks.isLocked({ schema: 'public', name: 'events' })).toBe(false)
    })

    it('that comes after what was done is not called, and that is said', async () => {
      const stop = new AbortController()
      const client = observedClient(fromPg(database.pool), {
        // In the last moment at which the run cannot be stopped any more: the partition is attached.
        beforeAnswer: async ({ text, ask }) => {
          const attached = await ask(
            `SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'events__2026_04' AND relispartition)::text AS is`,
          )
          if (text === 'COMMIT' && attached['is'] === 'true') stop.abort()
        },
      })
      const called: string[] = []
      const hooks = { afterCreate: () => void called.push('afterCreate') }
      const { maintainer } = createPartsmith({ pool: client, hooks: [hooks] })
      const result = await maintainer.runMaintenanceSafe(
        { ...ahead, createAheadCount: 3 },
        { now, signal: stop.signal },
      )
      expect(result).toMatchObject({
        success: false,
        errorCode: 'aborted',
        createdCount: 1,
        issues: [{ step: 'hook', severity: 'warning' }],
      })
      expect(result.issues[0]?.message).toContain('it was not called, because the run was stopped')
      expect(called).toEqual([])
    })
  })

  it('leaves the table of another run alone, and its own lock free', async () => {
    const other = createPartsmith({ pool: database.pool, lockPrefix: 'other' })
    const stop = new AbortController()
    const hooks = { beforeCreate: () => stop.abort() }
    const { maintainer, locks } = createPartsmith({ pool: database.pool, hooks: [hooks] })
    const result = await maintainer.runMaintenanceSafe(ahead, { now, signal: stop.signal })
    expect(result).toMatchObject({ success: false, errorCode: 'aborted' })
    expect(result.operations).toMatchObject([{ status: 'failed' }])
    expect(await locks.isLocked({ schema: 'public', name: 'events' })).toBe(false)
    expect(await other.maintain(ahead, { now })).toMatchObject({ success: true, createdCount: 1 })
  })

  function serviceOn(clients: {
    readonly metadata: DatabaseClient
    readonly changes: DatabaseClient
  }): PartitionLifecycleService {
    return new PartitionLifecycleService({
      repo: new PostgresPartitionRepository(clients.changes),
      metadata: new PostgresMetadataProvider(clients.metadata),
      locks: new PostgresAdvisoryLockManager(database.pool),
    })
  }

  async function untilSomebodyWaits(): Promise<void> {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
    while ((await database.sql(waiting)).length === 0);
  }

  /** Nothing of the run is under way on the server, whatever the client believes. */
  async function expectNobodyIsBusy(): Promise<void> {
    const busy = await database.sql(
      `SELECT query FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
         AND pid <> pg_backend_pid() AND state = 'active'`,
    )
    expect(busy).toEqual([])
  }

  async function expectAllReturned(): Promise<void> {
    expect(database.pool.idleCount).toBe(database.pool.totalCount)
    await expectNobodyIsBusy()
  }
})

describeEachServer('a run that is stopped at any statement of', (major) => {
  const sweep = sweepFor(major)
  it.concurrent.each(sweep.scenarios)(
    '$name leaves nothing that the next run does not mend',
    async (scenario) => {
      await using database = await createDatabase(major)
      const site = new CrashSite(database)
      const statements = await statementsOf(site, scenario)
      for (const [index, text] of statements.entries()) {
        if (!sweep.includes(text, scenario)) continue
        for (const moment of /^(COMMIT|ALTER)/.test(text) ? bothMoments : ['beforeAnswer' as const]) {
          const where = `${moment} ${index + 1} of ${statements.length}: ${text}`
          await site.visit(scenario, async (world) => {
            const stop = new AbortController()
            const interrupted = observedClient(world.client, {
              [moment]: ({ number }: { readonly number: number | undefined }) => {
                if (number === index + 1) stop.abort()
              },
            })
            const run = interruptibleRun(scenario, { ...world, interrupted, signal: stop.signal })
            const outcome = await run.then(
              (result) => result?.errorCode ?? 'done',
              (error: unknown) => (error instanceof RunAbortedError ? error.code : error),
            )
            // What was asked to stop when the last statement was on its way may be done.
            expect(['aborted', 'done'], where).toContain(outcome)
            expect(stop.signal.aborted, where).toBe(true)
            await expectOneRunToMendIt(world, scenario, where)
          })
        }
      }
    },
  )
})

const bothMoments = ['beforeSending', 'beforeAnswer'] as const

const neverUsed: DatabaseClient = {
  capabilities: { concurrentSessions: true },
  connect: () => Promise.reject(new Error('The run was to be stopped before it changes anything.')),
  cancel: () => Promise.resolve(),
}
