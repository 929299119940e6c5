import { expect, it } from 'vitest'

import type { Partsmith } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'
const config = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
} as const

/** About 3 MiB, for which a reader would wait 3 ms. */
const filled = `CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE rest PARTITION OF events DEFAULT;
  CREATE INDEX ON events (at);
  INSERT INTO events SELECT i, '2020-01-01', repeat('x', 100) FROM generate_series(1, 22000) i;`

describeEachServer('a DEFAULT that is too large to be read under a lock', (major) => {
  it('has the range of a coming period excluded by a CHECK that is validated before', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const partsmith = tight(database)
    const plan = await partsmith.plan(config, { now })
    expect(plan.operations).toMatchObject([
      {
        kind: 'create',
        excludesFromDefault: true,
        hazards: ['access-exclusive-lock', 'cancels-standby-queries', 'rejects-inserts'],
      },
    ])
    const text = await partsmith.service.renderSql(config, plan)
    expect(text).toContain('NOT VALID')
    expect(text).toContain('VALIDATE CONSTRAINT "pg_partsmith_excluded"')
    const result = await partsmith.apply(config, plan, { now })
    expect(result).toMatchObject({ success: true, createdCount: 1 })
    expect(await exclusions(database)).toBe(0)
    await database.sql(`INSERT INTO events VALUES (0, '2026-04-10')`)
    expect(await database.sql('SELECT tableoid::regclass::text AS t FROM events WHERE id = 0')).toEqual([
      { t: 'events__2026_04' },
    ])
    expect((await partsmith.plan(config, { now })).operations).toEqual([])
  })

  it('keeps a period where rows may come in at any time without a partition, and says what it would cost', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql('DROP TABLE events__2026_03')
    const plan = await tight(database).plan(config, { now })
    expect(plan.operations).toMatchObject([{ partition: { name: 'events__2026_04' } }])
    expect(plan.findings).toMatchObject([
      {
        code: 'default-too-large',
        relation: { name: 'rest' },
        range: { from: '2026-03-01 00:00:00+00' },
      },
      { code: 'rows-astray-in-default' },
    ])
    expect(plan.findings[0]?.message).toMatch(/about \d+ ms, longer than the 1 ms that they may wait/)
  })

  it('keeps rows where they are that cannot be moved while others wait, and says how long it would take', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql(
      `INSERT INTO events SELECT i, '2026-04-10', '' FROM generate_series(1, 30000) i; ANALYZE events`,
    )
    const wanted = { ...config, maxRowsFromDefault: 1_000_000 }
    const plan = await createPartsmith({ pool: database.pool }).plan(wanted, { now })
    expect(plan.operations).toEqual([])
    expect(plan.findings).toMatchObject([{ code: 'rows-in-default' }, { code: 'rows-astray-in-default' }])
    expect(plan.findings[0]?.message).toMatch(
      /holds 30000 rows .* To move them takes about 1[2-4]\d ms under a lock .* longer than the 100 ms /,
    )
    const patient = createPartsmith({ pool: database.pool, lockTimeoutMs: 500 })
    const planned = await patient.plan(wanted, { now })
    expect(planned.operations).toMatchObject([{ kind: 'create', rowsInDefault: 30000 }])
    expect(planned.operations[0]?.scans[0]?.estimatedMs).toBeGreaterThanOrEqual(120)
    expect(await patient.maintain(wanted, { now })).toMatchObject({ success: true, createdCount: 1 })
  })

  it('keeps every period without a partition where rows come in ahead of the clock', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql(`INSERT INTO events VALUES (1, '2031-01-01')`)
    const plan = await tight(database).plan(config, { now })
    expect(plan.operations).toEqual([])
    expect(plan.findings).toMatchObject([{ code: 'default-too-large' }, { code: 'rows-astray-in-default' }])
  })

  it('takes the rows of the range again after a run that did not come to an end', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const partsmith = tight(database)
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE '%ATTACH%' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; END $$;
      CREATE EVENT TRIGGER broken ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse();`)
    const cut = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(cut.success).toBe(false)
    expect(await exclusions(database)).toBe(1)
    await database.sql('DROP EVENT TRIGGER broken')
    const next = await partsmith.maintainer.runMaintenanceSafe({ ...config, createAheadCount: 1 }, { now })
    expect(next.operations).toMatchObject([{ kind: 'drop', status: 'done' }])
    expect(await exclusions(database)).toBe(0)
    expect(await partsmith.maintain(config, { now })).toMatchObject({ createdCount: 1 })
  })

  it('takes them again at once where the server refuses to attach', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE '%ATTACH%' THEN RAISE 'not today'; END IF; END $$;
      CREATE EVENT TRIGGER broken ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse();`)
    const result = await tight(database).maintainer.runMaintenanceSafe(config, { now })
    expect(result.issues[0]?.message).toContain('not today')
    expect(await exclusions(database)).toBe(0)
    expect(await database.sql(`SELECT FROM pg_class WHERE relname = 'events__2026_04'`)).toHaveLength(0)
  })
})

/** Readers and writers may wait 1 ms, so that a small table is large already. */
function tight(database: TestDatabase): Partsmith {
  return createPartsmith({ pool: database.pool, lockTimeoutMs: 1 })
}

async function exclusions(database: TestDatabase): Promise<number> {
  return (await database.sql(`SELECT FROM pg_constraint WHERE conname = 'pg_partsmith_excluded'`)).length
}
