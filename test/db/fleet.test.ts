import { beforeEach, expect, it } from 'vitest'

import type { DatabaseClient, TablePartitionOptions } from '../../src/index.ts'
import {
  createPartsmith,
  fromPg,
  LockAcquisitionError,
  PartitionLifecycleService,
  PartitionMaintainer,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
} from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { latch } from '../support/latch.ts'
import type { StatementObserver } from '../support/observed-client.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'

const now = '2026-03-15T12:00:00Z'
const monthly = { partitionColumn: 'at', granularity: 'month', createAheadCount: 2 } as const
const table = (name: string): string =>
  `CREATE TABLE ${name} (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);`
const partition = (name: string, month: number): string =>
  `CREATE TABLE ${name}__2026_0${month} PARTITION OF ${name}
   FOR VALUES FROM ('2026-0${month}-01 00:00+00') TO ('2026-0${month + 1}-01 00:00+00');`
const rest = (name: string): string => `CREATE TABLE ${name}_rest PARTITION OF ${name} DEFAULT;`
const settled = (name: string): string => `${table(name)} ${partition(name, 3)} ${partition(name, 4)}`
const config = (tableName: string, more: Partial<TablePartitionOptions> = {}): TablePartitionOptions => ({
  ...monthly,
  tableName,
  ...more,
})
const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `t_${index}`)
const targets = (count: number): readonly { readonly config: TablePartitionOptions }[] =>
  names(count).map((name) => ({ config: config(name) }))

describeEachServer('a fleet', (major) => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createDatabase(major)
    return () => database.drop()
  })

  const watched = (observer: StatementObserver): DatabaseClient =>
    observedClient(fromPg(database.pool), observer)
  const countingClient = (): { readonly client: DatabaseClient; readonly texts: string[] } => {
    const texts: string[] = []
    return { texts, client: watched({ beforeSending: ({ text }) => void texts.push(text) }) }
  }
  const partitionsOf = async (name: string): Promise<number> => {
    const [row] = await database.sql(
      `SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = '${name}'::regclass`,
    )
    return Number(row?.['n'])
  }

  it.each([
    ['without DEFAULT', settled],
    ['with an empty DEFAULT each', (name: string) => `${settled(name)} ${rest(name)}`],
  ])(
    'that has nothing to do takes no lock, and as many statements for 40 tables as for 2: %s',
    async (_, make) => {
      await database.sql(
        names(40)
          .map((name) => make(name))
          .join(''),
      )
      const { client, texts } = countingClient()
      const { maintainFleet, planFleet, inspectFleet } = createPartsmith({ pool: client })
      const statementsFor = async (work: () => Promise<unknown>): Promise<number> => {
        texts.length = 0
        await work()
        return texts.length
      }
      const few = await statementsFor(() => maintainFleet(targets(2), { now }))
      expect(few).toBeLessThan(16)
      expect(await statementsFor(() => maintainFleet(targets(40), { now }))).toBe(few)
      expect(texts.filter((text) => text.includes('advisory'))).toEqual([])
      const configs = targets(40).map((target) => target.config)
      expect(await statementsFor(() => planFleet(configs, { now }))).toBe(few)
      expect(await statementsFor(() => inspectFleet(configs, { now }))).toBe(few)
      const results = await maintainFleet(targets(40), { now })
      expect(results.map((result) => result.table.name)).toEqual(names(40))
      expect(results).toEqual(
        names(40).map(() => expect.objectContaining({ success: true, operations: [], findings: [] })),
      )
    },
  )

  it('plans many tables that need something with as many statements as two, and exactly as one by one', async () => {
    await database.sql(
      names(12)
        .map((name) => `${table(name)} ${partition(name, 3)}`)
        .join('') +
        rest('t_3') +
        rest('t_5'),
    )
    await database.sql(`INSERT INTO t_5 VALUES (1, '2026-04-10 00:00+00'), (2, '2020-01-01 00:00+00')`)
    await database.sql(`CREATE TABLE t_7__2026_04 (note text)`)
    const { client, texts } = countingClient()
    const { plan, planFleet } = createPartsmith({ pool: client })
    const configs = targets(12).map((target) => target.config)
    texts.length = 0
    await planFleet(configs.slice(0, 2), { now })
    const few = texts.length
    texts.length = 0
    await planFleet(configs.slice(8), { now })
    expect(texts).toHaveLength(few)

    const fleet = await planFleet(configs, { now })
    for (const [index, each] of configs.entries()) {
      expect(fleet[index]).toEqual({
        table: { schema: 'public', name: `t_${index}` },
        plan: await plan(each, { now }),
      })
    }
    expect(fleet[5]).toMatchObject({ plan: { findings: [{ code: 'rows-astray-in-default' }] } })
    expect(fleet[7]).toMatchObject({ plan: { operations: [], findings: [{ code: 'name-taken' }] } })
  })

  it('does what is due, each table under its own lock, and gives the results in the order of the targets', async () => {
    await database.sql(settled('t_0') + table('t_1') + settled('t_2') + table('t_3'))
    const { client, texts } = countingClient()
    const { maintainFleet } = createPartsmith({ pool: client })
    const results = await maintainFleet(targets(4), { now })
    expect(results.map(({ createdCount }) => createdCount)).toEqual([0, 2, 0, 2])
    expect(texts.filter((text) => text.includes('pg_try_advisory'))).toHaveLength(2)
    expect(await Promise.all(names(4).map(partitionsOf))).toEqual([2, 2, 2, 2])
    expect((await maintainFleet(targets(4), { now })).flatMap(({ operations }) => operations)).toEqual([])
  })

  it('goes on whatever becomes of one table, and says of that one what was wrong', async () => {
    await database.sql(
      `${table('t_0')} CREATE TABLE t_1 (at timestamptz); ${table('t_2')} ${table('t_4')}
       CREATE TABLE t_3 (at timestamptz NOT NULL) PARTITION BY LIST (at);
       CREATE VIEW t_4__2026_03 AS SELECT 1;`,
    )
    const { service, maintainer } = createPartsmith({ pool: database.pool })
    // @ts-expect-error whoever calls from JavaScript can write anything
    const broken: TablePartitionOptions = { tableName: 't_6', partitionColumn: 'at', granularity: 'moon' }
    const all = [...targets(5), { config: config('absent') }, { config: broken }, { config: config('t_0') }]
    const outcomes = await service.runFleet(all, { now })
    expect(outcomes.map(({ result }) => result.table.name)).toEqual([...names(5), 'absent', 't_6', 't_0'])
    expect(outcomes.map(({ result }) => result.errorCode ?? (result.success ? 'fine' : 'issues'))).toEqual([
      'fine',
      'invalid-config',
      'fine',
      'issues',
      'issues',
      'partition-not-found',
      'invalid-config',
      'invalid-config',
    ])
    expect(outcomes.map(({ result }) => result.createdCount)).toEqual([2, 0, 2, 0, 1, 0, 0, 0])
    expect(outcomes[3]?.result.findings).toMatchObject([{ code: 'method-mismatch' }])
    expect(outcomes[7]?.result.error).toContain('public.t_0 is in the fleet more than once.')
    expect(await maintainer.maintainFleet(all, { now })).toHaveLength(all.length)
  })

  it('works on no more tables at a time than it was told', async () => {
    await database.sql(names(6).map(table).join(''))
    let running = 0
    let most = 0
    const enough = latch()
    const locks = new PostgresAdvisoryLockManager(database.pool)
    const counting = {
      isLocked: locks.isLocked.bind(locks),
      acquireLock: async (...args: Parameters<typeof locks.acquireLock>) => {
        const lease = await locks.acquireLock(...args)
        running += 1
        most = Math.max(most, running)
        if (running === 3) enough.open(undefined)
        // Nobody ends before three have begun, so that fewer would be noticed, and more too.
        await enough.opened
        const release = async (): Promise<void> => {
          running -= 1
          await lease.release()
        }
        return {
          key: lease.key,
          signal: lease.signal,
          assertHeld: () => lease.assertHeld(),
          release,
          [Symbol.asyncDispose]: release,
        }
      },
    }
    const { maintainFleet } = createPartsmith({ pool: ownPool(database, { max: 20 }), locks: counting })
    const begun: string[] = []
    const ended: string[] = []
    const results = await maintainFleet(targets(6), {
      now,
      concurrency: 3,
      onBegin: ({ name }) => void begun.push(name),
      onEnd: ({ result }) => void ended.push(result.table.name),
    })
    expect(results.map(({ createdCount }) => createdCount)).toEqual(names(6).map(() => 2))
    expect(most).toBe(3)
    expect(begun).toEqual(names(6))
    expect(ended.toSorted()).toEqual(names(6))
  })

  it('refuses a concurrency that is none, and the safe form says so in every result', async () => {
    const { service, maintainer } = createPartsmith({ pool: database.pool })
    for (const concurrency of [0, 1.5, Number.NaN]) {
      await expect(service.runFleet(targets(2), { concurrency })).rejects.toThrow(
        'whole number of at least 1',
      )
    }
    expect(await maintainer.maintainFleet(targets(2), { concurrency: 0 })).toMatchObject([
      { success: false, errorCode: 'invalid-config' },
      { success: false, errorCode: 'invalid-config' },
    ])
  })

  it('waits for room in a pool that is too small for its concurrency', async () => {
    await database.sql(names(4).map(table).join(''))
    const { maintainFleet } = createPartsmith({ pool: ownPool(database, { max: 3 }) })
    const results = await maintainFleet(targets(4), { now, concurrency: 4 })
    expect(results.map(({ createdCount }) => createdCount)).toEqual([2, 2, 2, 2])
  })

  it('that is stopped ends what runs, begins nothing more, and keeps what was done', async () => {
    await database.sql(settled('t_0') + names(4).slice(1).map(table).join(''))
    const controller = new AbortController()
    const { service } = createPartsmith({
      pool: database.pool,
      hooks: [
        {
          beforeCreate: ({ table: { name } }) => {
            if (name === 't_2') controller.abort()
          },
        },
      ],
    })
    const outcomes = await service.runFleet(targets(4), { now, concurrency: 1, signal: controller.signal })
    expect(outcomes.map(({ result }) => [result.success, result.errorCode, result.createdCount])).toEqual([
      [true, undefined, 0],
      [true, undefined, 2],
      [false, 'aborted', 0],
      [false, 'aborted', 0],
    ])
    const before = await service.runFleet(targets(4), { now, signal: AbortSignal.abort() })
    expect(before.map(({ result }) => result.errorCode)).toEqual(names(4).map(() => 'aborted'))
  })

  it('does not ask for the lock of a table that has nothing to do, and asks for every other', async () => {
    await database.sql(settled('t_0') + table('t_1'))
    const locks = new PostgresAdvisoryLockManager(ownPool(database))
    const leases = await Promise.all(names(2).map((name) => locks.acquireLock({ schema: 'public', name })))
    const { service } = createPartsmith({ pool: database.pool })
    const outcomes = await service.runFleet(targets(2), { now })
    expect(outcomes[0]).toMatchObject({ result: { success: true, operations: [] }, error: undefined })
    expect(outcomes[1]?.error).toBeInstanceOf(LockAcquisitionError)
    await Promise.all(leases.map((lease) => lease.release()))
  })

  it('takes what looks wrong for a run that is at work, until it has the lock', async () => {
    await database.sql(settled('t_0') + rest('t_0'))
    await database.sql(`INSERT INTO t_0 VALUES (1, '2020-01-01 00:00+00')`)
    const { client, texts } = countingClient()
    const [result] = await createPartsmith({ pool: client }).maintainFleet(targets(1), { now })
    expect(result).toMatchObject({
      success: true,
      operations: [],
      findings: [{ code: 'rows-astray-in-default' }],
    })
    expect(texts.filter((text) => text.includes('pg_try_advisory'))).toHaveLength(1)
  })

  it('decides again under the lock: what somebody else did in between is not done twice', async () => {
    await database.sql(names(2).map(table).join(''))
    let looked = false
    const other = createPartsmith({ pool: ownPool(database) })
    const { maintainFleet } = createPartsmith({
      pool: watched({
        beforeSending: async ({ text }) => {
          if (!text.includes('pg_try_advisory') || looked) return
          looked = true
          await other.maintainFleet(targets(2), { now })
        },
      }),
    })
    const results = await maintainFleet(targets(2), { now, concurrency: 1 })
    expect(looked).toBe(true)
    expect(results).toMatchObject([
      { success: true, operations: [] },
      { success: true, operations: [] },
    ])
  })

  it('reads tables that only lack partitions once, and each other one again under its lock', async () => {
    await database.sql(names(3).map(table).join('') + rest('t_2'))
    const { client, texts } = countingClient()
    const results = await createPartsmith({ pool: client }).maintainFleet(targets(3), { now })
    expect(results.map(({ success, createdCount }) => success && createdCount > 0)).toEqual([
      true,
      true,
      true,
    ])
    expect(texts.filter((text) => text.includes('AS unique_keys'))).toHaveLength(2)
    expect(
      texts.filter((text) => text.includes('AS pending') && text.includes('inhparent OPERATOR')),
    ).toHaveLength(2)
  })

  it('beside another fleet does everything once, together', async () => {
    await database.sql(names(8).map(table).join(''))
    const fleets = [1, 2].map(() => createPartsmith({ pool: ownPool(database, { max: 6 }) }))
    const results = await Promise.all(
      fleets.map(({ maintainFleet }, index) =>
        maintainFleet(index === 0 ? targets(8) : targets(8).toReversed(), { now }),
      ),
    )
    const all = results.flat()
    expect(all.reduce((sum, { createdCount }) => sum + createdCount, 0)).toBe(16)
    expect(all.filter(({ success, errorCode }) => !success && errorCode !== 'lock-not-acquired')).toEqual([])
    expect(await Promise.all(names(8).map(partitionsOf))).toEqual(names(8).map(() => 2))
  })

  it('carries out the plans that its targets bring, each under its lock, and refuses stale ones alone', async () => {
    await database.sql(names(3).map(table).join(''))
    const { planFleet, service } = createPartsmith({ pool: database.pool })
    const plans = await planFleet(
      targets(3).map((target) => target.config),
      { now },
    )
    await database.sql(partition('t_1', 4))
    const outcomes = await service.runFleet(
      targets(3).map((target, index) => {
        const planned = plans[index]
        return { ...target, ...(planned && 'plan' in planned && { plan: planned.plan }) }
      }),
      { now },
    )
    expect(outcomes.map(({ result }) => result.errorCode ?? result.createdCount)).toEqual([
      2,
      'plan-stale',
      2,
    ])
  })

  it('lets each target say whether rows may be taken away', async () => {
    await database.sql(
      names(2)
        .map((name) => `${settled(name)} ${partition(name, 1)}`)
        .join(''),
    )
    const { maintainFleet } = createPartsmith({ pool: database.pool })
    const expiring = targets(2).map((target) => ({ config: { ...target.config, retentionCount: 2 } }))
    const [kept, retired] = await maintainFleet(
      expiring.map((target, index) => ({ ...target, allowDestructive: index === 1 })),
      { now },
    )
    expect(kept).toMatchObject({ detachedCount: 0 })
    expect(retired).toMatchObject({ detachedCount: 1, withheldCount: 0 })
    expect(kept?.withheldCount).toBeGreaterThan(0)
  })

  it('works with a metadata provider of your own that reads one table at a time', async () => {
    await database.sql(settled('t_0') + table('t_1') + `CREATE TABLE t_2 (at timestamptz);`)
    const postgres = new PostgresMetadataProvider(database.pool)
    const read: string[] = []
    const service = new PartitionLifecycleService({
      repo: new PostgresPartitionRepository(database.pool),
      locks: new PostgresAdvisoryLockManager(database.pool),
      metadata: {
        markerPrefix: postgres.markerPrefix,
        readTree: (name, options) => {
          read.push(name.name)
          return postgres.readTree(name, options)
        },
        collectEvidence: (request, options) => postgres.collectEvidence(request, options),
      },
    })
    const results = await new PartitionMaintainer(service).maintainFleet(targets(3), { now })
    expect(results.map(({ errorCode, createdCount }) => errorCode ?? createdCount)).toEqual([
      0,
      2,
      'invalid-config',
    ])
    expect(read).toEqual(['t_0', 't_1', 't_2', 't_1'])
  })

  it('reads the tables one by one where the server cuts short to read them all', async () => {
    await database.sql(names(3).map(settled).join(''))
    let refused = 0
    const client = watched({
      beforeSending: async ({ text, ask }) => {
        if (!text.includes('FROM pg_inherits') || refused > 0) return
        refused += 1
        await ask(`SET LOCAL statement_timeout = '20ms'`)
        await ask('SELECT pg_sleep(1)')
      },
    })
    const results = await createPartsmith({ pool: client }).maintainFleet(targets(3), { now })
    expect(refused).toBe(1)
    expect(results).toMatchObject([{ success: true }, { success: true }, { success: true }])
  })

  it('says of every table that the server is not there', async () => {
    const pool = ownPool(database, { connectionString: 'postgres://nobody@127.0.0.1:1/nowhere' })
    const results = await createPartsmith({ pool }).maintainFleet(targets(2), { now })
    expect(results).toMatchObject([
      { success: false, errorCode: 'connection-failed' },
      { success: false, errorCode: 'connection-failed' },
    ])
  })

  it('never holds more than a handful of locks, however many partitions a table has', async () => {
    const many = 400
    await database.sql(
      `${table('t_0')}
       DO $$ BEGIN FOR i IN 0..${many - 1} LOOP
         EXECUTE format('CREATE TABLE t_0_%s PARTITION OF t_0 FOR VALUES FROM (%L) TO (%L)', i,
           timestamptz '2026-03-01 00:00+00' - (i + 1) * interval '1 day', timestamptz '2026-03-01 00:00+00' - i * interval '1 day');
       END LOOP; END $$`,
    )
    let most = 0
    const pids = new Set<number>()
    const client = watched({
      beforeAnswer: async ({ pid }) => {
        pids.add(pid)
        const [row] = await database.sql(
          `SELECT count(*)::int AS n FROM pg_locks WHERE pid = ANY ($1::int[])`,
          [[...pids]],
        )
        most = Math.max(most, Number(row?.['n']))
      },
    })
    const daily = config('t_0', { granularity: 'day', retentionCount: many })
    const [result] = await createPartsmith({ pool: client }).maintainFleet([{ config: daily }], { now })
    expect(result).toMatchObject({ success: true, createdCount: 2 })
    expect(result?.detachedCount).toBeGreaterThan(10)
    // The partition and its index, the parent and its index, catalogs that are just being read, and the advisory lock.
    expect(most).toBeLessThan(60)
    expect(most).toBeGreaterThan(3)
  })
})
