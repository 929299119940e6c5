import { expect, it } from 'vitest'

import type { MaintenancePlan, Operation, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { PostgresMetadataProvider } from '../../src/run/postgres-metadata-provider.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { events, march, month, monthly, now } from '../support/events-table.ts'
import { mark } from '../support/marked-tables.ts'

const retiring = { ...monthly, retentionCount: 1 }
const february = 'events__2026_02'

describeEachServer('the size of what is to be detached or dropped', (major) => {
  it('is measured with indexes and TOAST, and its rows are estimated from the pages that there are', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${partitionOf('02')} CREATE INDEX ON ${february} (note);
      ALTER TABLE ${february} SET (autovacuum_enabled = false); ANALYZE ${february}; ${filled(february)}`)
    for (const kinds of [['detach', 'drop'], ['drop']] as const) {
      const plan = await planned(database)
      expect(plan.operations.map(({ kind }) => kind)).toEqual(kinds)
      for (const { sizeBytes, rowEstimate } of plan.operations) {
        expect(sizeBytes).toBe(await totalOf(database, february))
        // It was empty when it was analyzed, so nothing says how dense it is.
        expect(rowEstimate).toBeUndefined()
      }
      if (kinds.length > 1) await detached(database)
    }
    await database.sql(`ANALYZE ${february}; ${filled(february)}`)
    const [drop] = (await planned(database)).operations
    expect(drop?.rowEstimate).toBeGreaterThan(35_000)
    expect(drop?.rowEstimate).toBeLessThan(45_000)
  })

  it('is known of a table that was never analyzed, and of an empty one that it has no rows', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${partitionOf('01')} ${partitionOf('02')} ${filled(february)}
      ALTER TABLE ${february} SET (autovacuum_enabled = false);`)
    const [january, filledOne] = (await planned(database)).operations
    expect(january).toMatchObject({ sizeBytes: await totalOf(database, 'events__2026_01'), rowEstimate: 0 })
    expect(filledOne?.sizeBytes).toBe(await totalOf(database, february))
    expect(filledOne).not.toHaveProperty('rowEstimate')
  })

  it('is the catalog’s where somebody has the table or its index locked, and the others are measured', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${month('2026-01')} ${month('2026-02')}
      CREATE INDEX of_january ON events__2026_01 (id); ANALYZE events__2026_01;`)
    const [{ bytes } = {}] = await database.sql(`SELECT pg_relation_size('events__2026_01')::int AS bytes`)
    const holder = await database.pool.connect()
    try {
      for (const lock of [
        'LOCK TABLE events__2026_01 IN ACCESS EXCLUSIVE MODE',
        'ALTER INDEX of_january SET (fillfactor = 90)',
        'REINDEX INDEX of_january',
      ]) {
        await holder.query(`BEGIN; ${lock}`)
        const started = performance.now()
        const { operations } = await planned(database)
        expect(performance.now() - started).toBeLessThan(900)
        expect(sizeOf(operations, 'detach public.events__2026_01'), lock).toBe(
          lock.startsWith('ALTER') ? await totalOf(database, 'events__2026_01') : bytes,
        )
        expect(sizeOf(operations, `detach public.${february}`)).toBe(await totalOf(database, february))
        await holder.query('ROLLBACK')
      }
    } finally {
      holder.release()
    }
  })

  it('is nothing of a table that is gone, and no part of what a plan rests on', async () => {
    await using database = await createDatabase(major)
    const metadata = new PostgresMetadataProvider(database.pool)
    const gone = { oid: '4000000000', name: { schema: 'public', name: 'gone' } }
    const { sizes, dependents } = await metadata.collectEvidence({
      names: [],
      maybeEmpty: [],
      leaving: [gone],
    })
    expect(sizes).toEqual(new Map())
    expect(dependents).toEqual(new Map([[gone.oid, []]]))

    await database.sql(`${events} ${march} ${partitionOf('02')}`)
    const before = await planned(database)
    await database.sql(filled(february))
    const after = await planned(database)
    expect(sizeOf(after.operations, `drop public.${february}`)).toBeGreaterThan(1_000_000)
    expect(after.basis).toEqual(before.basis)
    const result = await createPartsmith({ pool: database.pool }).apply(retiring, before, {
      now,
      allowDestructive: true,
    })
    expect(result).toMatchObject({ success: true, droppedCount: 1 })
  })
})

describeEachServer('a fleet with something to drop', (major) => {
  it('has the sizes and the obstacles of each as a table alone has them', async () => {
    await using database = await createDatabase(major)
    const names = ['a', 'b', 'c']
    for (const name of names) {
      await database.sql(`CREATE TABLE ${name} (at timestamptz) PARTITION BY RANGE (at);
        CREATE TABLE ${name}__2026_02 PARTITION OF ${name} FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
        INSERT INTO ${name} SELECT '2026-02-02' FROM generate_series(1, 1000)`)
    }
    await database.sql('CREATE VIEW on_b AS SELECT at FROM b__2026_02')
    const configs = names.map((tableName): TablePartitionOptions => ({ ...retiring, tableName }))
    const partsmith = createPartsmith({ pool: database.pool })
    const fleet = await partsmith.planFleet(configs, { now })
    for (const [index, config] of configs.entries()) {
      const alone = await partsmith.plan(config, { now })
      expect(fleet[index]).toMatchObject({ plan: { operations: alone.operations, findings: alone.findings } })
      expect(sizeOf(alone.operations, `detach public.${config.tableName}__2026_02`)).toBeGreaterThan(0)
      expect(alone.operations.some(({ kind }) => kind === 'drop')).toBe(config.tableName !== 'b')
    }
  })
})

/** What keeps a table from being dropped, and how PostgreSQL describes it. */
const dependents = [
  ['a view', `CREATE VIEW seen AS SELECT id, note FROM ${february}`, 'view public.seen'],
  [
    'a materialized view',
    `CREATE MATERIALIZED VIEW kept AS SELECT id FROM ${february}`,
    'materialized view public.kept',
  ],
  [
    'a rule of another table',
    `CREATE TABLE other (id int); CREATE RULE moved AS ON INSERT TO other DO ALSO INSERT INTO ${february} (id, at) VALUES (1, '2026-02-02')`,
    'rule moved on table public.other',
  ],
  [
    'a function with a body in SQL',
    `CREATE FUNCTION counted() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM ${february}; END`,
    'function public.counted()',
  ],
  [
    'the default of another table’s column',
    `CREATE SEQUENCE numbers OWNED BY ${february}.id; CREATE TABLE other (id bigint DEFAULT nextval('numbers'))`,
    'default value for column id of table public.other',
  ],
  [
    'the type of another table’s column',
    `CREATE TABLE other (whole ${february})`,
    'column whole of table public.other',
  ],
] as const

describeEachServer('a foreign key that an expired partition has for itself', (major) => {
  it('is known to the drop that follows its detach in the same run, with what is locked for it', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE account (id bigint PRIMARY KEY) PARTITION BY HASH (id);
      CREATE TABLE account_0 PARTITION OF account FOR VALUES WITH (MODULUS 1, REMAINDER 0);
      ${events} ${march} ${partitionOf('02')} ALTER TABLE ${february} ADD FOREIGN KEY (id) REFERENCES account`)
    const { operations } = await planned(database)
    const [detach, drop] = operations
    expect(detach?.locks.map(({ relation }) => relation.name)).not.toContain('account')
    expect(drop?.locks).toMatchObject([
      { role: 'partition' },
      { relation: { name: 'account' }, mode: 'ACCESS EXCLUSIVE', role: 'referenced' },
      { relation: { name: 'account_0' }, mode: 'ACCESS EXCLUSIVE', role: 'referenced' },
    ])
    const { plan } = createPartsmith({ pool: database.pool })
    const careful = await plan(
      { ...retiring, allowHazards: ['hides-data', 'not-transactional', 'deletes-data'] },
      { now },
    )
    expect(careful.operations.map(({ kind }) => kind)).toEqual(['detach'])
    expect(careful.findings).toMatchObject([{ code: 'hazard-not-allowed' }])
  })
})

describeEachServer('what depends on a table that is to be dropped', (major) => {
  it.each(dependents)('%s is foreseen, and dropped is what nothing depends on', async (_, sql, described) => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${month('2026-01')} ${month('2026-02')}`)
    await database.sql(sql)
    const attached = await planned(database)
    expect(attached.operations.map(({ id }) => id)).toEqual([
      'detach public.events__2026_01',
      `detach public.${february}`,
      'drop public.events__2026_01',
    ])
    expect(attached.findings).toMatchObject([
      {
        code: 'orphan-depended-on',
        severity: 'warning',
        relation: { name: february },
        message: `public.${february} has expired and is detached, and ${described} depends on it, so it cannot be dropped.`,
      },
    ])
    const partsmith = createPartsmith({ pool: database.pool })
    const run = await partsmith.maintain(retiring, { now, allowDestructive: true })
    expect(run).toMatchObject({ success: true, detachedCount: 2, droppedCount: 1, issues: [] })

    const plan = await planned(database)
    expect(plan.operations).toEqual([])
    expect(plan.findings).toMatchObject([
      {
        code: 'orphan-depended-on',
        message: `public.${february} is detached, and ${described} depends on it, so it cannot be dropped.`,
        next: `Drop that, or have it do without public.${february}; the next run drops it then.`,
      },
    ])
    const again = await partsmith.maintain(retiring, { now, allowDestructive: true })
    expect(again.issues).toEqual([])
    expect(again.findings.map(({ code }) => code)).toEqual(['orphan-depended-on'])
  })

  it('is nothing that goes with it: its indexes, keys, triggers, sequences, statistics and its own rules', async () => {
    await using database = await createDatabase(major)
    await database.sql(`
      CREATE TABLE users (id bigint PRIMARY KEY);
      CREATE TABLE events (id bigint GENERATED BY DEFAULT AS IDENTITY, at timestamptz, note text, by bigint REFERENCES users,
        former bigint, former_at timestamptz, PRIMARY KEY (id, at),
        FOREIGN KEY (former, former_at) REFERENCES events) PARTITION BY RANGE (at);
      ${march} ${partitionOf('02')}
      CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events) PARTITION BY RANGE (at);
      CREATE TABLE notes_all PARTITION OF notes DEFAULT;
      CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER nothing AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION nothing();
      CREATE SEQUENCE own OWNED BY ${february}.note;
      ALTER TABLE ${february} ALTER note SET DEFAULT nextval('own')::text, ADD CHECK (note <> '');
      CREATE STATISTICS pairs ON at, note FROM ${february};
      CREATE RULE ignored AS ON DELETE TO ${february} DO ALSO SELECT count(*) FROM ${february};
      CREATE POLICY everybody ON ${february}; CREATE VIEW whole AS SELECT * FROM events;`)
    const plan = await planned(database)
    expect(plan.operations.map(({ kind }) => kind)).toEqual(['detach', 'drop'])
    expect(plan.findings).toEqual([])
    const run = await createPartsmith({ pool: database.pool }).maintain(retiring, {
      now,
      allowDestructive: true,
    })
    expect(run).toMatchObject({ success: true, droppedCount: 1 })
  })

  it('is named up to three times, and the rest counted', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} CREATE TABLE old (at timestamptz);
      ${['a', 'b', 'c', 'd', 'e'].map((name) => `CREATE VIEW ${name} AS SELECT at FROM old;`).join(' ')}`)
    const bound = `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`
    await mark(database, { table: 'old', bound })
    const { operations, findings } = await planned(database)
    expect(operations).toEqual([])
    expect(findings[0]?.message).toContain(
      'is detached, and view public.a, view public.b, view public.c and 2 more depend on it',
    )
  })
})

function partitionOf(number: '01' | '02'): string {
  const to = number === '01' ? '02' : '03'
  return `CREATE TABLE events__2026_${number} PARTITION OF events FOR VALUES FROM ('2026-${number}-01 00:00+00') TO ('2026-${to}-01 00:00+00');`
}

function filled(table: string): string {
  return `INSERT INTO ${table} (id, at, note) SELECT g, '2026-02-02', g::text FROM generate_series(1, 20000) g;`
}

async function planned(database: TestDatabase): Promise<MaintenancePlan> {
  return createPartsmith({ pool: database.pool }).plan(retiring, { now })
}

async function detached(database: TestDatabase): Promise<void> {
  const partsmith = createPartsmith({ pool: database.pool })
  await partsmith.maintain({ ...retiring, dropAfter: '1 day' }, { now, allowDestructive: true })
}

async function totalOf(database: TestDatabase, table: string): Promise<number> {
  const [row] = await database.sql('SELECT pg_total_relation_size($1::regclass)::int AS bytes', [table])
  return Number(row?.['bytes'])
}

function sizeOf(operations: readonly Operation[], id: string): number | undefined {
  return operations.find((operation) => operation.id === id)?.sizeBytes
}
