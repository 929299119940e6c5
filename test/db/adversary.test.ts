import { expect, it } from 'vitest'

import type { MaintenancePlan, Operation } from '../../src/index.ts'
import { createPartsmith, planFromJson, planToJson } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1 } as const
const events = `CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`
const march = `CREATE TABLE e3 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`

/** A plan as somebody could forge it, checksum and all. */
function forged(plan: MaintenancePlan, change: (operation: Operation) => unknown): MaintenancePlan {
  const operations = plan.operations.map((operation) => ({ ...operation, ...Object(change(operation)) }))
  return planFromJson(planToJson({ ...plan, operations }))
}

describeEachServer('a forged plan', (major) => {
  it('cannot carry SQL to the server', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `${events} CREATE TABLE rest PARTITION OF events DEFAULT; CREATE TABLE precious (id int)`,
    )
    const partsmith = createPartsmith({ pool: database.pool })
    const plan = await partsmith.plan(config, { now })
    const evil = `1) AS found)::text AS rows; DROP TABLE precious; COMMIT; SELECT (SELECT count(*) FROM (SELECT 1 LIMIT `
    const result = await partsmith.apply(
      config,
      forged(plan, ({ kind }) => (kind === 'create' ? { maxRowsFromDefault: evil } : {})),
      { now, allowDestructive: false },
    )
    expect(await database.sql(`SELECT to_regclass('precious')::text AS name`)).toEqual([{ name: 'precious' }])
    expect(result.operations[0]).toMatchObject({ kind: 'create', status: 'refused' })
  })

  it('cannot name another partition, or a partition of another table', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}
      CREATE TABLE other (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE o1 PARTITION OF other FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00')`)
    const [e3] = await database.sql(
      `SELECT 'e3'::regclass::oid::text AS oid, pg_get_expr(relpartbound, 0) AS bound FROM pg_class WHERE relname = 'e3'`,
    )
    const partsmith = createPartsmith({ pool: database.pool })
    const plan = await partsmith.plan(config, { now })
    const attached = `SELECT inhrelid::regclass::text AS name FROM pg_inherits ORDER BY 1`
    const before = await database.sql(attached)
    for (const change of [
      {
        partition: { schema: 'public', name: 'e3' },
        guard: { ...Object(plan.operations[0]?.guard), oid: e3?.['oid'], boundText: e3?.['bound'] },
      },
      { parent: { schema: 'public', name: 'other' }, partition: { schema: 'public', name: 'o1' } },
    ]) {
      const result = await partsmith.apply(
        config,
        forged(plan, ({ kind }) => (kind === 'detach' ? change : {})),
        { now },
      )
      expect(result.operations.map(({ status }) => status)).toEqual(['refused', 'not-run'])
    }
    expect(await database.sql(attached)).toEqual(before)
  })
})

describeEachServer('a drop that cannot happen', (major) => {
  it('leaves the foreign keys where they are', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE accounts (id int PRIMARY KEY); INSERT INTO accounts VALUES (1);
      CREATE TABLE events (id int REFERENCES accounts, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
      ${march} INSERT INTO events VALUES (1, '2026-01-02')`)
    // There already, it would be foreseen.
    const beforeDrop = async (): Promise<void> =>
      void (await database.sql('CREATE VIEW looks AS SELECT * FROM e1'))
    const partsmith = createPartsmith({ pool: database.pool, hooks: [{ beforeDrop }] })
    const result = await partsmith.maintain(config, { now })
    expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
      'detach public.e1: done',
      'drop public.e1: refused',
    ])
    expect(result.issues[0]).toMatchObject({
      code: 'partition-referenced',
      message: expect.stringContaining('view'),
    })
    expect(
      await database.sql(
        `SELECT count(*)::int AS n FROM pg_constraint WHERE conrelid = 'e1'::regclass AND contype = 'f'`,
      ),
    ).toEqual([{ n: 1 }])
  })
})

describeEachServer('foreign keys', (major) => {
  it('mean a detach that gives way, so that no writer of the other table waits for long', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE accounts (id int PRIMARY KEY, v int); INSERT INTO accounts VALUES (1, 0), (2, 0);
      CREATE TABLE events (id int REFERENCES accounts, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00'); ${march}`)
    const busy = await database.pool.connect()
    await busy.query('BEGIN; UPDATE accounts SET v = 1 WHERE id = 1')
    const partsmith = createPartsmith({ pool: database.pool, lockTimeoutMs: 100 })
    const state = { over: false }
    const running = partsmith.maintainer.runMaintenanceSafe(config, { now }).finally(() => {
      state.over = true
    })
    let longest = 0
    while (!state.over) {
      const started = performance.now()
      await database.sql('UPDATE accounts SET v = v + 1 WHERE id = 2')
      longest = Math.max(longest, performance.now() - started)
    }
    // Without a limit of its own it would wait as long as a statement may.
    expect(longest).toBeLessThan(5_000)
    expect((await running).issues[0]).toMatchObject({ code: 'lock-timeout' })
    await busy.query('COMMIT')
    busy.release()
    expect((await partsmith.maintain(config, { now })).detachedCount).toBe(1)
  })
})

describeEachServer('a pool', (major) => {
  it.each([
    [8, 10],
    [3, 5],
    [2, 3],
  ])('that %i runs share does not lock itself up with %i connections', async (tables, max) => {
    await using database = await createDatabase(major)
    const names = Array.from({ length: tables }, (_entry, index) => `t${index}`)
    for (const name of names) {
      await database.sql(`CREATE TABLE ${name} (at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE ${name}_old PARTITION OF ${name} FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00')`)
    }
    const { maintainer } = createPartsmith({ pool: ownPool(database, { max }) })
    const results = await Promise.all(
      names.map((tableName) => maintainer.runMaintenanceSafe({ ...config, tableName }, { now })),
    )
    expect(results.map(({ success, detachedCount }) => ({ success, detachedCount }))).toEqual(
      names.map(() => ({ success: true, detachedCount: 1 })),
    )
  })
})

describeEachServer('a table that is a partition itself', (major) => {
  it.each([
    ['refers', 'ALTER TABLE root ADD FOREIGN KEY (device) REFERENCES device;', 'device'],
    [
      'is referred to',
      'CREATE TABLE note (id int, region text, at timestamptz, FOREIGN KEY (id, region, at) REFERENCES root);',
      'note',
    ],
  ])('knows the foreign keys by which its parent %s', async (_, keys, neighbour) => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE device (id int PRIMARY KEY);
      CREATE TABLE root (id int, region text, at timestamptz NOT NULL, device int, PRIMARY KEY (id, region, at)) PARTITION BY LIST (region);
      CREATE TABLE events PARTITION OF root FOR VALUES IN ('eu') PARTITION BY RANGE (at); ${keys} ${march}
      CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`)
    const { operations } = await createPartsmith({ pool: database.pool }).plan(config, { now })
    expect(operations[0]).toMatchObject({ kind: 'detach', mode: 'blocking' })
    expect(operations[0]?.locks.filter(({ relation }) => relation.name === neighbour)).toHaveLength(1)
  })
})

describeEachServer('a detached table', (major) => {
  it.each([
    [
      'owns a sequence that is used',
      `CREATE SEQUENCE s OWNED BY e1.id; ALTER TABLE events ALTER id SET DEFAULT nextval('s');`,
    ],
    ['has a row type that is used', `CREATE TABLE uses (one e1);`],
    [
      'has a row type that a function takes',
      `CREATE FUNCTION takes(e1) RETURNS int LANGUAGE sql AS 'SELECT 1';`,
    ],
  ])('keeps its foreign keys where it cannot be dropped because it %s', async (_, used) => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE device (id int PRIMARY KEY);
      CREATE TABLE events (id int REFERENCES device, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE e1 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00'); ${march}`)
    const beforeDrop = async (): Promise<void> => void (await database.sql(used))
    const partsmith = createPartsmith({ pool: database.pool, hooks: [{ beforeDrop }] })
    await partsmith.maintain({ ...config, dropAfter: 'never' }, { now })
    const result = await partsmith.maintain(config, { now })
    expect(result).toMatchObject({
      operations: [{ kind: 'drop', status: 'refused' }],
      issues: [{ code: 'partition-referenced' }],
    })
    expect(
      await database.sql(`SELECT FROM pg_constraint WHERE conrelid = 'e1'::regclass AND contype = 'f'`),
    ).toHaveLength(1)
  })

  it('that was made an heir of another is left alone, also when that happens after the plan', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} CREATE TABLE archive (id int, at timestamptz NOT NULL);`)
    const partsmith = createPartsmith({ pool: database.pool })
    await partsmith.maintain({ ...config, dropAfter: 'never' }, { now })
    const plan = await partsmith.plan(config, { now })
    await database.sql('ALTER TABLE e1 INHERIT archive')
    const late = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(plan.operations).toMatchObject([{ kind: 'drop' }])
    expect(late).toMatchObject({ operations: [], findings: [{ code: 'orphan-inherits' }] })
    const server = {
      database: plan.basis.database,
      deadlockTimeoutMs: 1_000,
      shortestDeadlockTimeoutMs: 1_000,
    }
    const [drop] = plan.operations
    if (drop?.kind !== 'drop') throw new Error('no drop was planned')
    await expect(partsmith.repo.dropPartition(drop, { server })).rejects.toThrow(
      'inherits from public.archive by now',
    )
    await database.sql('ALTER TABLE e1 NO INHERIT archive')
    expect(await partsmith.maintain(config, { now })).toMatchObject({ droppedCount: 1 })
  })
})

describeEachServer('a run after which inserts fail', (major) => {
  it('is no success', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} CREATE VIEW events__2026_03 AS SELECT 1 AS one`)
    const { maintainer } = createPartsmith({ pool: database.pool })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(result.success).toBe(false)
    expect(result.issues[0]?.message).toContain('so their inserts fail, and no plan can make one now')
    expect(result.findings.map(({ code }) => code)).toEqual(['inserts-fail', 'name-taken'])
  })
})

describeEachServer('a new partition', (major) => {
  it('belongs to whom its parent belongs to, whoever makes it', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    const owner = await createRole(database, {})
    await database.sql(`ALTER TABLE events OWNER TO ${owner.name}`)
    await createPartsmith({ pool: database.pool }).maintain({ ...config, createAheadCount: 2 }, { now })
    expect(
      await database.sql(
        `SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = 'events__2026_04'`,
      ),
    ).toEqual([{ owner: owner.name }])
  })
})
