import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import type { Operation, Partsmith, TablePartitionOptions } from '../../src/index.ts'
import {
  createPartsmith,
  PartitionLifecycleService,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
} from '../../src/index.ts'
import * as catalogSql from '../../src/sql/catalog.ts'
import { toText } from '../../src/sql/sql.ts'
import { catalogOf } from '../support/catalog-state.ts'
import { attachedTo, converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import {
  attachedMarch,
  attachedMonth,
  events,
  march,
  month,
  monthly,
  now,
  partition,
} from '../support/events-table.ts'
import { commentOf, leavePending, mark, markAsPython } from '../support/marked-tables.ts'

/**
 * What tools of this kind have fallen into, by number. Each has its test here, or a pointer to the test that would fail
 * without the right behaviour. The numbers that are missing belong to things that this tool does not do.
 */
const pointers: readonly (readonly [trap: string, file: string, test: string])[] = [
  [
    '1 an open or infinite bound is taken for a period',
    'scenario/creation',
    'may be open-ended: it is left alone, and periods inside it are not created',
  ],
  [
    '1 an open or infinite bound is taken for a period',
    'scenario/retention',
    'never takes what is not of the calendar',
  ],
  ['2 LIST and HASH bounds are read as ranges', 'scenario/key-mismatch', 'has nothing planned for it'],
  [
    '3 quotes split a bound, and NULL is taken for the text',
    'property/bound-text',
    'reading gives back every bound that was written',
  ],
  [
    '4 a partition gets an identity of its own',
    'scenario/structure',
    'and identity goes on through the parent with one sequence',
  ],
  [
    '5 rows without a key are moved again and again',
    'scenario/default-rows',
    'without a key stay, and are reported: no run will ever reach them',
  ],
  [
    '6 columns are copied by position',
    'scenario/default-rows',
    'with its columns in another order, dropped ones, and generated ones, has its rows moved by name',
  ],
  [
    '7 generated columns are written',
    'scenario/default-rows',
    'with %s generated columns has its rows moved',
  ],
  [
    '8 moved rows change what the identity gives next',
    'scenario/default-rows',
    'of a table with an identity keeps the numbers of its rows',
  ],
  [
    '10 a temporary table stands in the way',
    'scenario/hostile-sessions',
    'given temporary tables with the names of catalogs change nothing',
  ],
  [
    '11 a deferred check fails at COMMIT',
    'scenario/default-rows',
    'with deferred constraints has them checked at once, and rows that break none are moved',
  ],
  [
    '12 ON DELETE acts on rows that are only moved',
    'scenario/default-rows',
    'that others refer to directly keeps its rows, and theirs',
  ],
  [
    '12 ON DELETE acts on rows that are only moved',
    'scenario/default-rows',
    'of which others came to refer to the table after the plan keeps its rows, and theirs',
  ],
  [
    '12 ON DELETE acts on rows that are only moved',
    'scenario/foreign-keys',
    'has rows in DEFAULT that cannot be moved: it is said and nothing is planned',
  ],
  [
    '15 a half-detached partition is overlooked',
    'scenario/interrupted',
    'is finished first, and what follows from it is done in the same run',
  ],
  [
    '17 names over 63 bytes collide',
    'scenario/hostile-names',
    'gives partitions whose names fit and stay apart',
  ],
  [
    '18 a dot in a name leads to another table',
    'scenario/hostile-names',
    'whose names could be read in two ways do not take each other’s tables',
  ],
  [
    '19 capitals in the key column fail late',
    'scenario/hostile-names',
    'is maintained from creation to drop',
  ],
  [
    '21 a key of several columns, or an expression, is read in part',
    'scenario/key-mismatch',
    'has nothing planned for it',
  ],
  ['22 a placeholder in a name is bound', 'scenario/hostile-names', 'is maintained from creation to drop'],
  [
    '23 an unqualified name is looked for along search_path',
    'scenario/hostile-sessions',
    'set up to look at public before the catalog, where objects of the same names lie, change nothing',
  ],
  [
    '26 rows that were moved are lost when the attach fails',
    'scenario/default-rows',
    'became too many after the plan: the step is refused and nothing has moved',
  ],
  [
    '28 a partition that is attached again keeps its marker',
    'scenario/orphans',
    'is attached again when retention grows, and has its own comment and no marker',
  ],
  [
    '30 an old partition of another calendar is retired',
    'property/planner',
    'detaches nothing but ordinary tables whose bounds lie in one period that has expired',
  ],
  ['31 an unknown option is ignored', 'unit/policy/config', 'are all listed in one error, with their paths'],
  [
    '32 a plan is applied to another table or configuration',
    'scenario/plan-file',
    'is refused for another table and for another configuration, before anything is read',
  ],
  [
    '33 a detached table is attached although tables are left alone',
    'scenario/orphans',
    'is left alone when tables are never dropped, and its name is reported when it is in the way',
  ],
  [
    '34 a detached table is dropped although its period is wanted again',
    'scenario/orphans',
    'is attached again when retention grows, and has its own comment and no marker',
  ],
  [
    '38 a name that only looks like one is taken for a partition',
    'scenario/orphans',
    'is not attached again by a name that only looks like one',
  ],
  [
    '39 rows and writers meet between move and attach',
    'db/live-writers',
    'with no failed statement, and none missing, doubled, left behind or unseen',
  ],
  [
    '40 an insert on its way is refused by the narrowed DEFAULT',
    'db/live-writers',
    'with no failed statement, and none missing, doubled, left behind or unseen',
  ],
  [
    '42 a waiting change queues every writer',
    'db/live-writers',
    'is never waited for until the deadlock detector looks, and the message says how long',
  ],
  [
    '43 rows stay in a table that was never attached',
    'scenario/default-rows',
    'became too many after the plan: the step is refused and nothing has moved',
  ],
  [
    '44 a process that died between build and attach is not noticed',
    'scenario/interrupted',
    'is dropped and built again when it is empty',
  ],
  [
    '44 a process that died between build and attach is not noticed',
    'scenario/interrupted',
    'is reported and kept when it holds rows, and the period is not made',
  ],
  [
    '45 rows in DEFAULT behind the current period are never mentioned',
    'scenario/default-rows',
    'and lie behind the current period are reported on every run, and put right by ensurePartition',
  ],
  [
    '46 an interrupted concurrent detach fails every later run',
    'scenario/interrupted',
    'is finished and planned again under one lock by maintain',
  ],
  [
    '47 the lock that is printed is not the one that is taken',
    'scenario/retention',
    'is ${mode}, marked, and as printed',
  ],
  [
    '48 a detach that a foreign key forbids ends the run',
    'scenario/foreign-keys',
    'keeps a partition that a row refers to',
  ],
  [
    '52 a lock is left behind, or not recognised as one’s own',
    'db/redis-lock',
    'that was sent twice is acquired once',
  ],
  ['55 a hook’s child is left running', 'cli/hooks', 'are killed when they take too long, and that refuses'],
  [
    '58 the calendar and the DDL disagree about the zone',
    'scenario/calendars',
    'refuses a calendar in another zone than the DDL',
  ],
  [
    '59 an hour that comes twice has one name',
    'scenario/daylight-saving',
    'the hour that comes twice has two partitions, with names of their own',
  ],
  [
    '62 a usage error looks like drift',
    'cli/bad-input',
    'is 64 for a command line that is not right, with a hint',
  ],
  [
    '63 a stopped run leaves something behind',
    'cli/signals',
    'leaves nothing that the next run does not put right, in the middle of a concurrent detach too',
  ],
  [
    '65 sslmode in the URL is not understood',
    'cli/connection',
    'is used with and without encryption as sslmode says',
  ],
  [
    '66 an error without a message is an empty sentence',
    'unit/run/sql-state',
    'says something of an error whose message is empty',
  ],
  [
    '67 a wrong password is a stack trace',
    'cli/bad-input',
    'is 5 for a wrong password and for a missing one, which are never shown',
  ],
  [
    '68 a file that cannot be written costs the old one',
    'cli/output',
    'ends with 4 before it connects where the file cannot be written, and keeps what is there',
  ],
  [
    '71 hooks that are not allowed are skipped',
    'cli/hooks',
    'run only where that is allowed: without, the commands that would run them end with 4',
  ],
  [
    '73 a lock that is held looks like a crash',
    'cli/run',
    'leaves a table alone while another maintainer holds its lock, and ends with 6 or as told with 0',
  ],
]

describe('a known trap has its test', () => {
  it.each(pointers)('%s', (_trap, file, test) => {
    expect(readFileSync(new URL(`../${file}.test.ts`, import.meta.url), 'utf8')).toContain(test)
  })
})

const februaryBound = `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`
const withFebruary = `${events} ${march} ${month('2026-02')}`

/** A plan's only operation, and the means to carry it out when the world has moved on since the plan was checked. */
async function onlyOperation(
  database: TestDatabase,
  config: TablePartitionOptions,
): Promise<{ partsmith: Partsmith; operation: Operation; carryOut: () => Promise<unknown> }> {
  const partsmith = createPartsmith({ pool: database.pool })
  const { operations } = await partsmith.plan(config, { now })
  const [operation] = operations
  if (!operation || operations.length > 1) throw new Error(`There are ${operations.length} operations.`)
  const { server } = await partsmith.metadata.readTree({ schema: 'public', name: 'events' })
  const { repo } = partsmith
  const carryOut = async (): Promise<unknown> => {
    switch (operation.kind) {
      case 'create':
        return repo.createPartition(operation, { server })
      case 'attach':
        return repo.attachPartition(operation, { server })
      case 'detach':
        return repo.detachPartition(operation, { server })
      case 'drop':
        return repo.dropPartition(operation, { server })
      case 'finalize':
        return repo.finalizeDetach(operation, { server })
      case 'unmark':
        return repo.unmarkPartition(operation, { server })
      case 'readmit':
        return repo.readmitRange(operation, { server })
    }
  }
  return { partsmith, operation, carryOut }
}

/** February is detached and marked, so the only thing to do is to drop it. */
async function droppable(database: TestDatabase): ReturnType<typeof onlyOperation> {
  await database.sql(`${withFebruary} ALTER TABLE events DETACH PARTITION events__2026_02;`)
  await mark(database, { table: 'events__2026_02', bound: februaryBound })
  return onlyOperation(database, { ...monthly, retentionCount: 1 })
}

describeEachServer('a known trap:', (major) => {
  const april = { ...monthly, createAheadCount: 2 }

  it('13, 50: a race that was lost is told from a conflict by the bounds, and from a detach that is pending', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    const { carryOut } = await onlyOperation(database, april)
    await database.sql(partition('events__2026_04', '2026-04-01', '2026-05-01'))
    expect(await carryOut()).toMatchObject({ status: 'raced' })
    await leavePending(database, { table: 'events__2026_04' })
    await expect(carryOut()).rejects.toMatchObject({ code: 'partition-detach-in-progress' })
    await database.sql(
      `DROP TABLE events__2026_04; ${partition('events__2026_04', '2026-04-01', '2026-04-02')}`,
    )
    await expect(carryOut()).rejects.toMatchObject({
      code: 'partition-already-exists',
      message: expect.stringMatching(/Nothing was changed; rename what has the name, or plan again\.$/),
    })
    await database.sql(`DROP TABLE events__2026_04; ${partition('other_name', '2026-04-01', '2026-04-02')}`)
    await expect(carryOut()).rejects.toThrow(/overlap/)
    expect(await attachedTo(database, monthly)).toHaveLength(2)
  })

  it('13: a detached table that somebody attached meanwhile is as wanted, with other bounds it is not', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${withFebruary} ALTER TABLE events DETACH PARTITION events__2026_02;`)
    await mark(database, { table: 'events__2026_02', bound: februaryBound })
    const { carryOut } = await onlyOperation(database, { ...monthly, retentionCount: 2 })
    await database.sql(`ALTER TABLE events ATTACH PARTITION events__2026_02 ${februaryBound}`)
    expect(await carryOut()).toMatchObject({ status: 'raced' })
    await database.sql(`ALTER TABLE events DETACH PARTITION events__2026_02; ALTER TABLE events ATTACH PARTITION events__2026_02
      FOR VALUES FROM ('2026-02-02 00:00:00+00') TO ('2026-03-01 00:00:00+00')`)
    await expect(carryOut()).rejects.toMatchObject({ code: 'partition-attached' })
  })

  it('14: detached tables that are partitioned or foreign are seen, and reported', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} CREATE TABLE a (LIKE events) PARTITION BY HASH (id);
      CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
      CREATE FOREIGN TABLE b (id bigint, at timestamptz) SERVER files OPTIONS (program 'true');
      COMMENT ON FOREIGN TABLE b IS 'pg-partsmith:orphan-parent=public.events';`)
    await markAsPython(database, { table: 'a' })
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['partition-kind-unsupported', 'partition-kind-unsupported'],
    })
  })

  it('15: reading takes no lock on any partition, and so waits for nobody', async () => {
    await using database = await createDatabase(major)
    await database.sql(withFebruary)
    const { metadata } = createPartsmith({ pool: database.pool })
    const { parent } = await metadata.readTree({ schema: 'public', name: 'events' })
    for (const query of Object.values(catalogSql)) {
      const text = typeof query === 'string' ? query : toText(query(parent))
      expect(text).not.toMatch(/pg_partition_tree|pg_partition_ancestors/)
    }
    const holder = await database.pool.connect()
    try {
      await holder.query(
        'BEGIN; LOCK TABLE ONLY events__2026_02, ONLY events__2026_03 IN ACCESS EXCLUSIVE MODE',
      )
      const partsmith = createPartsmith({ pool: database.pool })
      const plan = await partsmith.plan(
        { ...monthly, retentionCount: 1 },
        { now, signal: AbortSignal.timeout(10_000) },
      )
      expect(plan.operations.map(({ kind }) => kind)).toEqual(['detach', 'drop'])
    } finally {
      await holder.query('ROLLBACK')
      holder.release()
    }
  })

  it('20: nothing is created IF NOT EXISTS or as PARTITION OF, and nothing dropped with CASCADE', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${withFebruary} CREATE TABLE rest PARTITION OF events DEFAULT;`)
    const partsmith = createPartsmith({ pool: database.pool })
    const config = { ...april, retentionCount: 1 }
    const text = await partsmith.service.renderSql(config, await partsmith.plan(config, { now }))
    expect(text).toMatch(/CREATE TABLE[^;]*LIKE/)
    expect(text).not.toMatch(/IF NOT EXISTS|IF EXISTS|CREATE TABLE[^;]*PARTITION OF|CASCADE/)
  })

  it('24: a table that is attached again right before its drop stays', async () => {
    await using database = await createDatabase(major)
    const { carryOut } = await droppable(database)
    await database.sql(`ALTER TABLE events ATTACH PARTITION events__2026_02 ${februaryBound}`)
    await expect(carryOut()).rejects.toMatchObject({ code: 'partition-attached' })
    expect(await attachedTo(database, monthly)).toEqual([attachedMonth('2026-02'), attachedMarch])
  })

  it('24: a table whose marker is gone right before its drop stays, but where that was allowed', async () => {
    await using database = await createDatabase(major)
    const { operation, carryOut } = await droppable(database)
    await database.sql(`COMMENT ON TABLE events__2026_02 IS 'keep me'`)
    await expect(carryOut()).rejects.toMatchObject({
      code: 'unmanaged-drop',
      name: 'UnmanagedPartitionDropError',
    })
    expect(await commentOf(database, 'events__2026_02')).toBe('keep me')
    const allowed = createPartsmith({ pool: database.pool, dropAllowUnmanaged: true })
    const { server } = await allowed.metadata.readTree({ schema: 'public', name: 'events' })
    if (operation.kind === 'drop') await allowed.repo.dropPartition(operation, { server })
    expect(await database.sql(`SELECT to_regclass('events__2026_02') AS gone`)).toEqual([{ gone: null }])
  })

  it('24: dropAllowUnmanaged never reaches what is attached, or another table', async () => {
    await using database = await createDatabase(major)
    const { operation } = await droppable(database)
    const allowed = createPartsmith({ pool: database.pool, dropAllowUnmanaged: true })
    const { server } = await allowed.metadata.readTree({ schema: 'public', name: 'events' })
    await database.sql(`ALTER TABLE events ATTACH PARTITION events__2026_02 ${februaryBound}`)
    if (operation.kind !== 'drop') throw new Error('It is no drop.')
    await expect(allowed.repo.dropPartition(operation, { server })).rejects.toMatchObject({
      code: 'partition-attached',
    })
    await database.sql(
      'ALTER TABLE events DETACH PARTITION events__2026_02; ALTER TABLE events__2026_02 RENAME TO x; CREATE TABLE events__2026_02 (x int)',
    )
    await expect(allowed.repo.dropPartition(operation, { server })).rejects.toMatchObject({
      code: 'plan-stale',
    })
    expect(await database.sql(`SELECT to_regclass('events__2026_02') IS NOT NULL AS there`)).toEqual([
      { there: true },
    ])
  })

  it('24: a detached table whose marker was written anew right before its drop stays: its grace period began again', async () => {
    await using database = await createDatabase(major)
    const { carryOut } = await droppable(database)
    await mark(database, {
      table: 'events__2026_02',
      bound: februaryBound,
      detachedAt: '2026-03-15T11:00:00Z',
    })
    await expect(carryOut()).rejects.toMatchObject({ code: 'plan-stale' })
  })

  it('25: another table under the name of the one that was planned is not dropped', async () => {
    await using database = await createDatabase(major)
    const { carryOut } = await droppable(database)
    await database.sql(
      `ALTER TABLE events__2026_02 RENAME TO elsewhere; CREATE TABLE events__2026_02 AS SELECT * FROM elsewhere`,
    )
    await mark(database, { table: 'events__2026_02', bound: februaryBound })
    await expect(carryOut()).rejects.toMatchObject({
      code: 'plan-stale',
      message: expect.stringContaining('another table now'),
    })
    expect(
      await database.sql(
        `SELECT to_regclass('events__2026_02') IS NOT NULL AND to_regclass('elsewhere') IS NOT NULL AS both`,
      ),
    ).toEqual([{ both: true }])
  })

  it('25: nothing is built for, or attached to, another table under the parent’s name', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    const { carryOut } = await onlyOperation(database, april)
    await database.sql(
      'ALTER TABLE events RENAME TO before; CREATE TABLE events (LIKE before) PARTITION BY RANGE (at)',
    )
    const state = await catalogOf(database)
    await expect(carryOut()).rejects.toMatchObject({ code: 'plan-stale' })
    expect(await catalogOf(database)).toEqual(state)
  })

  for (const detachMode of ['concurrent', 'blocking'] as const) {
    it(`27: a ${detachMode} detach is not led to a replacement by its name`, async () => {
      await using database = await createDatabase(major)
      await database.sql(`${withFebruary} ${month('2026-04')}`)
      const { carryOut } = await onlyOperation(database, {
        ...monthly,
        retentionCount: 1,
        detachMode,
        dropAfter: '1 day',
      })
      await database.sql(
        `ALTER TABLE events__2026_02 RENAME TO feb; ALTER TABLE events__2026_04 RENAME TO events__2026_02`,
      )
      const state = await catalogOf(database)
      await expect(carryOut()).rejects.toMatchObject({ code: 'plan-stale' })
      expect(await catalogOf(database)).toEqual(state)
      // Nor to one with the same bounds: what was to be detached is gone, and that is all.
      await database.sql(`DROP TABLE events__2026_02; DROP TABLE feb; ${month('2026-02')}`)
      const replaced = await catalogOf(database)
      expect(await carryOut()).toMatchObject({ status: 'raced' })
      expect(await catalogOf(database)).toEqual(replaced)
    })
  }

  it('29: a repository and a metadata provider with different marker prefixes are refused when they are put together', async () => {
    await using database = await createDatabase(major)
    const { pool } = database
    const build = (): unknown =>
      new PartitionLifecycleService({
        repo: new PostgresPartitionRepository(pool, { markerPrefix: 'one' }),
        metadata: new PostgresMetadataProvider(pool, { markerPrefix: 'two' }),
        locks: new PostgresAdvisoryLockManager(pool),
      })
    expect(build).toThrow(
      /writes the marker prefix 'one' and the metadata provider reads 'two'.*Give both the same markerPrefix\.$/,
    )
  })

  it('39, 40, 41: the parent is locked before everything else, and with a DEFAULT no writer can be on its way', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${withFebruary} CREATE TABLE rest PARTITION OF events DEFAULT;`)
    const partsmith = createPartsmith({ pool: database.pool })
    const config = { ...april, retentionCount: 1 }
    const text = await partsmith.service.renderSql(config, await partsmith.plan(config, { now }))
    const transactions = text.split(/^BEGIN[^;]*;$/m).slice(1)
    const locks = transactions.map((transaction) =>
      [...transaction.matchAll(/\bLOCK TABLE (.*? MODE(?: NOWAIT)?)[;.]/g)].map(([, lock]) => lock),
    )
    expect(locks.filter((list) => list.length > 1)).toEqual([
      [
        'ONLY "public"."events" IN ACCESS EXCLUSIVE MODE',
        'ONLY "public"."rest" IN ACCESS EXCLUSIVE MODE NOWAIT',
        'ONLY "public"."events__2026_04" IN ACCESS EXCLUSIVE MODE NOWAIT',
      ],
      [
        'ONLY public.events IN ACCESS EXCLUSIVE MODE',
        'ONLY public.rest IN ACCESS EXCLUSIVE MODE NOWAIT',
        'ONLY public.events__2026_02 IN ACCESS EXCLUSIVE MODE NOWAIT',
      ],
    ])
    const attach = transactions.find((transaction) => transaction.includes('ATTACH PARTITION'))
    expect(attach?.indexOf('move them')).toBeLessThan(attach?.indexOf('ATTACH PARTITION') ?? 0)
  })

  it('42: no statement waits without a limit, and what gives way has changed nothing', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `${withFebruary} CREATE TABLE rest PARTITION OF events DEFAULT; INSERT INTO events VALUES (1, '2026-04-02');`,
    )
    const reader = await database.pool.connect()
    try {
      await reader.query('BEGIN; SELECT count(*) FROM events')
      const state = await catalogOf(database)
      const config = { ...april, retentionCount: 1 }
      const { result } = await createPartsmith({ pool: database.pool, lockTimeoutMs: 100 }).service.run(
        config,
        { now },
      )
      expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
        'create public.events__2026_04: failed',
        'detach public.events__2026_02: not-run',
        'drop public.events__2026_02: not-run',
      ])
      expect(result.issues.map(({ code }) => code)).toEqual(['lock-timeout'])
      expect(result.issues[0]?.message).toMatch(
        /a lock was not free (within 100 ms|at once).*Nothing was changed; the next run tries again\./,
      )
      expect(await catalogOf(database)).toEqual(state)
    } finally {
      await reader.query('ROLLBACK')
      reader.release()
    }
    await converges(database, {
      config: april,
      now,
      operations: ['create public.events__2026_04'],
    })
  })

  it('56: the clock of this process decides nothing, neither what expires nor when something was detached', async () => {
    await using database = await createDatabase(major)
    const [row] = await database.sql(
      `SELECT date_trunc('month', now())::text AS now, date_trunc('month', now() - interval '1 month')::text AS before, (date_trunc('month', now() - interval '2 months'))::text AS long_before`,
    )
    await database.sql(`${events}
      CREATE TABLE long_before PARTITION OF events FOR VALUES FROM ('${row?.['long_before']}') TO ('${row?.['before']}');
      CREATE TABLE before PARTITION OF events FOR VALUES FROM ('${row?.['before']}') TO ('${row?.['now']}');`)
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2099-01-01T00:00:00Z') })
    try {
      const partsmith = createPartsmith({ pool: database.pool })
      const result = await partsmith.maintain({ ...monthly, retentionCount: 2, dropAfter: '1 day' })
      expect(result.operations.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
        'create done',
        'detach done',
      ])
      expect(result.plan?.plannedAt).not.toMatch(/^2099/)
      expect(await commentOf(database, 'long_before')).not.toContain('2099')
      expect(
        (await partsmith.plan({ ...monthly, retentionCount: 2, dropAfter: '1 day' })).operations,
      ).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })

  it('57: rows leave DEFAULT in the zone in which their partition is attached', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `ALTER DATABASE ${database.name} SET TimeZone = 'Pacific/Kiritimati'; ${events}
        CREATE TABLE rest PARTITION OF events DEFAULT;
        INSERT INTO events VALUES (1, '2026-03-14 18:30:00+00'), (2, '2026-03-15 18:29:59.999999+00'), (3, '2026-03-15 18:30:00+00');`,
      config: { ...monthly, granularity: 'day', timeZone: 'Asia/Kolkata' },
      now,
      operations: ['create public.events__2026_03_15'],
      partsmith: { ddlTimezone: null },
    })
    expect(await database.sql('SELECT id::int AS id FROM events__2026_03_15 ORDER BY id')).toEqual([
      { id: 1 },
      { id: 2 },
    ])
  })

  it('61: the zone of this process decides nothing', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const partsmith = createPartsmith({ pool: database.pool })
    const plan = await partsmith.plan({ ...monthly, granularity: 'day' }, { now })
    vi.stubEnv('TZ', 'Pacific/Kiritimati')
    try {
      expect(new Date('2026-03-15T12:00:00Z').getHours()).toBe(2)
      expect(await partsmith.plan({ ...monthly, granularity: 'day' }, { now })).toEqual(plan)
    } finally {
      vi.unstubAllEnvs()
    }
  })
})
