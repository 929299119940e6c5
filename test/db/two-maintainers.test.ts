import { expect, it } from 'vitest'

import type { DatabaseClient, MaintenanceResult, TablePartitionOptions } from '../../src/index.ts'
import {
  createPartsmith,
  fromPg,
  LockAcquisitionError,
  LockLostError,
  PartitionLifecycleService,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
} from '../../src/index.ts'
import { CrashSite, expectOneRunToMendIt, statementsOf } from '../support/crash-world.ts'
import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { latch } from '../support/latch.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { sweepFor } from '../support/sweep.ts'

const now = '2026-03-15T12:00:00Z'
const monthly = { partitionColumn: 'at', granularity: 'month', createAheadCount: 2 } as const
const tableNamed = (name: string): string =>
  `CREATE TABLE ${name} (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at);`

const expired = (name: string): string =>
  `${tableNamed(name)} CREATE TABLE ${name}_old PARTITION OF ${name} FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`

describeEachServer('two maintainers', (major) => {
  it('of one table exclude each other: one works, the other says whose turn it is', async () => {
    await using database = await createDatabase(major)
    await database.sql(tableNamed('events'))
    const config = { ...monthly, tableName: 'events' }
    const inHook = latch<number>()
    const mayGoOn = latch()
    const first = createPartsmith({
      pool: ownPool(database, { application_name: 'the first' }),
      hooks: [
        {
          beforeCreate: async ({ query }) => {
            const { rows } = await query(
              `SELECT pid::text FROM pg_locks WHERE locktype = 'advisory' AND granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
            )
            inHook.open(Number(rows[0]?.['pid']))
            await mayGoOn.opened
          },
        },
      ],
    })
    const second = createPartsmith({ pool: ownPool(database) })
    const running = first.maintain(config, { now })
    const pid = await inHook.opened
    const refused = second.maintain(config, { now })
    await expect(refused).rejects.toThrow(LockAcquisitionError)
    await expect(refused).rejects.toThrow(`server process ${pid}, application "the first"`)
    expect(await second.maintainer.runMaintenanceSafe(config, { now })).toMatchObject({
      success: false,
      errorCode: 'lock-not-acquired',
      operations: [],
    })
    mayGoOn.open(undefined)
    expect(await running).toMatchObject({ success: true, createdCount: 2 })
    expect(await second.maintain(config, { now })).toMatchObject({ success: true, operations: [] })
  })

  it('that start at the same moment never both work', async () => {
    await using database = await createDatabase(major)
    await database.sql(tableNamed('events'))
    const maintainers = Array.from({ length: 4 }, () =>
      createPartsmith({ pool: ownPool(database, { max: 3 }) }),
    )
    const results = await Promise.all(
      maintainers.map(({ maintainer }) =>
        maintainer.runMaintenanceSafe({ ...monthly, tableName: 'events' }, { now }),
      ),
    )
    const created = results.reduce((sum, { createdCount }) => sum + createdCount, 0)
    expect(created).toBe(2)
    for (const result of results) {
      expect(result.success || result.errorCode === 'lock-not-acquired').toBe(true)
    }
  })

  it('of many tables run side by side', async () => {
    await using database = await createDatabase(major)
    const tables = Array.from({ length: 6 }, (_, index) => `events_${index}`)
    await database.sql(tables.map(tableNamed).join(''))
    // Every run waits here for all the others, so that this ends only when they are all under way at once.
    let missing = tables.length
    const allHere = latch()
    const { maintain } = createPartsmith({
      pool: ownPool(database, { max: 20 }),
      hooks: [
        {
          beforeCreate: async ({ partitionName }) => {
            if (!partitionName.endsWith('2026_03')) return
            missing -= 1
            if (missing === 0) allHere.open(undefined)
            await allHere.opened
          },
        },
      ],
    })
    const results = await Promise.all(tables.map((tableName) => maintain({ ...monthly, tableName }, { now })))
    expect(results.map(({ createdCount }) => createdCount)).toEqual(tables.map(() => 2))
  })
})

describeEachServer('maintainers of several tables that share a pool', (major) => {
  it('do not wait for each other for ever when each wants the two connections of a concurrent detach', async () => {
    await using database = await createDatabase(major)
    const tables = Array.from({ length: 4 }, (_, index) => `events_${index}`)
    await database.sql(tables.map(expired).join(''))
    const { maintain } = createPartsmith({ pool: ownPool(database, { max: 4 }) })
    const config = { ...monthly, createAheadCount: 1, retentionCount: 1 }
    const results = await Promise.all(tables.map((tableName) => maintain({ ...config, tableName }, { now })))
    expect(results.map(({ detachedCount }) => detachedCount)).toEqual([1, 1, 1, 1])
  })
})

describeEachServer('two maintainers without a common lock', (major) => {
  const sweep = sweepFor(major)
  const scenarios = sweep.scenarios.filter(({ adopt }) => adopt === undefined)

  it.concurrent.each(scenarios)('get in each other’s way anywhere in: $name', async (scenario) => {
    await using database = await createDatabase(major)
    const site = new CrashSite(database)
    const statements = await statementsOf(site, scenario)
    for (const [index, text] of statements.entries()) {
      if (!sweep.includes(text, scenario)) continue
      const where = `stopped before ${index + 1} of ${statements.length}: ${text}`
      await site.visit(scenario, async (world) => {
        const { interrupted, other } = await overtaken({ database, world, scenario, at: index + 1 })
        expectBenign(interrupted, where)
        expectBenign(other, where)
        await expectOneRunToMendIt(world, scenario, where)
      })
    }
  })
})

describeEachServer('a run whose lock is lost', (major) => {
  const sweep = sweepFor(major)
  it.concurrent.each(sweep.scenarios.filter(({ operations }) => operations.length > 0))(
    'sends nothing more, wherever it is in: $name',
    async (scenario) => {
      await using database = await createDatabase(major)
      const site = new CrashSite(database)
      const statements = await statementsOf(site, scenario)
      for (const [index, text] of statements.entries()) {
        if (!sweep.includes(text, scenario)) continue
        const where = `lost at ${index + 1} of ${statements.length}: ${text}`
        await site.visit(scenario, async (world) => {
          await expectToStop({ database, world, scenario, at: index + 1 }, where)
          await expectOneRunToMendIt(world, scenario, where)
        })
      }
    },
  )
})

interface Race {
  readonly database: TestDatabase
  readonly world: World
  readonly scenario: CrashScenario
  readonly at: number
}

function serviceOf(client: DatabaseClient, prefix: string): PartitionLifecycleService {
  return new PartitionLifecycleService({
    // It waits in vain for the one that is stopped, so it need not wait long, and try again never.
    repo: new PostgresPartitionRepository(client, { lockTimeoutMs: 50, giveUpAfterMs: 0 }),
    metadata: new PostgresMetadataProvider(client),
    locks: new PostgresAdvisoryLockManager(client, { prefix }),
  })
}

function limitsOf({ lockTimeoutMs }: CrashScenario): Pick<CrashScenario, 'lockTimeoutMs'> {
  return lockTimeoutMs === undefined ? {} : { lockTimeoutMs }
}

/** Stops one maintainer before a statement, has another do all of it meanwhile, and lets the first go on. */
async function overtaken({
  database,
  world,
  scenario,
  at,
}: Race): Promise<{ readonly interrupted: MaintenanceResult; readonly other: MaintenanceResult }> {
  const config: TablePartitionOptions = { ...scenario.config, schema: world.schema }
  const client = fromPg(database.pool)
  let other: Promise<MaintenanceResult> | undefined
  const paused = observedClient(client, {
    beforeSending: async ({ number }) => {
      if (number !== at) return
      other = serviceOf(client, 'other')
        .run(config, { now: scenario.now })
        .then(({ result }) => result)
      await doneOrStuck(world, other)
    },
  })
  const service = new PartitionLifecycleService({
    repo: new PostgresPartitionRepository(paused, limitsOf(scenario)),
    metadata: new PostgresMetadataProvider(client),
    locks: new PostgresAdvisoryLockManager(client, { prefix: 'one' }),
  })
  const { result } = await service.run(config, { now: scenario.now })
  if (other === undefined) throw new Error(`There was no statement ${at}.`)
  return { interrupted: result, other: await other }
}

/** A concurrent detach waits without a timeout for whoever holds its partition, which may be the one that is stopped. */
async function doneOrStuck({ sql }: World, other: Promise<unknown>): Promise<void> {
  const done = other.then(() => true)
  const stuck = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND query LIKE 'ALTER TABLE%CONCURRENTLY' AND query_start < clock_timestamp() - interval '150 ms'`
  while (!(await Promise.race([done, notYet()])) && (await sql(stuck)).length === 0);
}

const notYet = (): Promise<boolean> => new Promise((resolve) => setImmediate(() => resolve(false)))

/** All done, by whichever of the two; or something was refused, or gave way to the other. Never a failure. */
function expectBenign({ error, operations }: MaintenanceResult, where: string): void {
  expect(error, where).toBeUndefined()
  const failed = operations.filter(({ status }) => status === 'failed')
  expect(
    failed.filter(({ message }) => message?.includes('so it gave way') !== true),
    where,
  ).toEqual([])
}

/** Ends the session of the lock while the answer to a statement is on its way. */
async function expectToStop({ database, world, scenario, at }: Race, where: string): Promise<void> {
  const config = { ...scenario.config, schema: world.schema }
  const client = fromPg(database.pool)
  const lost = latch()
  let lockPid = 0
  const watchedLock: DatabaseClient = {
    ...client,
    connect: async () => {
      const connection = await client.connect()
      const { rows } = await connection.query('SELECT pg_backend_pid()::text AS pid')
      lockPid = Number(rows[0]?.['pid'])
      connection.onLost(() => lost.open(undefined))
      return connection
    },
  }
  const sentAfterwards: string[] = []
  let isLost = false
  const watched = observedClient(client, {
    beforeSending: ({ text }) => {
      if (isLost && text !== 'ROLLBACK') sentAfterwards.push(text)
    },
    beforeAnswer: async ({ number }) => {
      if (number !== at) return
      await database.sql('SELECT pg_terminate_backend($1)', [lockPid])
      await lost.opened
      // The client is told before the session has let go of the lock.
      const alive = 'SELECT FROM pg_stat_activity WHERE pid = $1'
      while ((await database.sql(alive, [lockPid])).length > 0);
      isLost = true
    },
  })
  const service = new PartitionLifecycleService({
    repo: new PostgresPartitionRepository(watched, limitsOf(scenario)),
    metadata: new PostgresMetadataProvider(client),
    locks: new PostgresAdvisoryLockManager(watchedLock),
  })
  const { result, error } = await service.run(config, { now: scenario.now })
  expect(isLost, where).toBe(true)
  expect(sentAfterwards, where).toEqual([])
  // At the last statement of the run all of it is done.
  const isDone = error === undefined && result.operations.every(({ status }) => status === 'done')
  const isStopped = error instanceof LockLostError && result.errorCode === 'lock-lost' && !result.success
  expect(isDone || isStopped, where).toBe(true)
}
