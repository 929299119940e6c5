import { expect, it } from 'vitest'

import { createPartsmith, fromPg } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { monthly, now } from '../support/events-table.ts'
import { exclusions, filled, tight } from '../support/large-default.ts'

const config = { ...monthly, createAheadCount: 2 }

describeEachServer('a DEFAULT that is too large to be read under a lock', (major) => {
  it('has the range of a coming period excluded by a CHECK that is validated before', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const partsmith = tight(database)
    const plan = await partsmith.plan(config, { now })
    expect(plan.operations).toMatchObject([
      {
        kind: 'create',
        excludesFromDefault: { before: '2026-03-30T23:59:10Z' },
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
    expect(next.operations).toMatchObject([
      { kind: 'readmit', status: 'done' },
      { kind: 'drop', status: 'done' },
    ])
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

  it('lets nobody wait whose rows it would refuse while a reader is in the way of the attach', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const reader = await database.pool.connect()
    try {
      // It reads a partition alone, so that DEFAULT itself is free.
      await reader.query(`BEGIN; SELECT FROM events WHERE at = '2026-03-10'`)
      const sent: string[] = []
      const pool = observedClient(fromPg(database.pool), {
        beforeSending: ({ text }) => void sent.push(text),
      })
      const partsmith = createPartsmith({ pool, lockTimeoutMs: 1, giveUpAfterMs: 200 })
      const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
      expect(result.operations).toMatchObject([{ kind: 'create', status: 'failed' }])
      expect(result.issues[0]?.message).toMatch(
        /In the way: pid \d+ .* holds ACCESS SHARE on public\.events\./,
      )
      expect(result.issues[0]?.message).toContain('Nothing was changed; the next run tries again.')
      expect(sent.filter((text) => text.includes('ADD CONSTRAINT'))).toEqual([])
    } finally {
      reader.release(true)
    }
    expect(await database.sql(`SELECT FROM pg_class WHERE relname = 'events__2026_04'`)).toHaveLength(0)
  })

  it('says that inserts are refused where the CHECK cannot be taken off again, and the next run does', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const reader = await database.pool.connect()
    const partsmith = createPartsmith({
      // Somebody begins to read DEFAULT after the range was excluded.
      pool: observedClient(fromPg(database.pool), {
        beforeSending: async ({ text }) => {
          if (text.includes('VALIDATE')) await reader.query('BEGIN; SELECT FROM rest LIMIT 1')
        },
      }),
      lockTimeoutMs: 1,
      giveUpAfterMs: 200,
    })
    try {
      const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
      expect(result.operations).toMatchObject([{ kind: 'create', status: 'failed' }])
      const said = result.issues[0]?.message ?? ''
      expect(said).toContain('cannot create public.events__2026_04')
      expect(said).toContain('inserts of 2026-04-01 00:00:00+00 to 2026-05-01 00:00:00+00 fail')
      expect(said).toContain('ALTER TABLE ONLY "public"."rest" DROP CONSTRAINT pg_partsmith_excluded;')
      expect(said).not.toContain('Nothing was changed')
      expect(await exclusions(database)).toBe(1)
    } finally {
      reader.release(true)
    }
    expect((await partsmith.inspect(config, { now })).findings).toMatchObject([
      { code: 'range-excluded', relation: { name: 'rest' } },
      { code: 'rows-astray-in-default' },
    ])
    const next = await tight(database).maintain({ ...config, createAheadCount: 1 }, { now })
    expect(next).toMatchObject({ success: true, operations: [{ kind: 'readmit', status: 'done' }] })
    expect(await exclusions(database)).toBe(0)
  })

  it('takes the CHECK off as soon as whoever kept the attach waiting has ended', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const reader = await database.pool.connect()
    let [began, looked] = [false, 0]
    const partsmith = createPartsmith({
      pool: observedClient(fromPg(database.pool), {
        beforeSending: async ({ text }) => {
          if (text.includes('VALIDATE')) {
            await reader.query('BEGIN; SELECT FROM rest LIMIT 1')
            began = true
          }
          // The clean-up asks for the CHECK and tries in vain before the reader ends.
          if (began && /^SELECT k.convalidated/.test(text)) looked += 1
          if (looked > 0 && text.includes('FROM pg_locks l')) await reader.query('COMMIT')
        },
      }),
      lockTimeoutMs: 1,
      giveUpAfterMs: 400,
    })
    try {
      const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
      expect(result.issues[0]?.message).toContain('Nothing was changed; the next run tries again.')
      expect(await exclusions(database)).toBe(0)
      expect(looked).toBe(1)
    } finally {
      reader.release(true)
    }
  })

  it('takes the CHECK off before a run that is stopped ends', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const stop = new AbortController()
    const pool = observedClient(fromPg(database.pool), {
      beforeSending: ({ text }) => {
        if (text.includes('VALIDATE')) stop.abort()
      },
    })
    const result = await createPartsmith({ pool, lockTimeoutMs: 1 }).maintainer.runMaintenanceSafe(config, {
      now,
      signal: stop.signal,
    })
    expect(result).toMatchObject({ success: false, errorCode: 'aborted' })
    expect(await exclusions(database)).toBe(0)
  })

  it('has the CHECK found and taken off where nothing else is left of a killed run', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql(
      `ALTER TABLE rest ADD CONSTRAINT pg_partsmith_excluded CHECK (NOT (at >= '2026-04-01' AND at < '2026-05-01')) NOT VALID`,
    )
    const partsmith = tight(database)
    const { findings } = await partsmith.inspect(config, { now })
    expect(findings[0]).toMatchObject({ code: 'range-excluded', severity: 'warning' })
    expect(findings[0]?.message).toContain('unless a run is at work on it now')
    const plan = await partsmith.plan(config, { now })
    expect(plan.operations).toMatchObject([
      { kind: 'readmit', partition: { name: 'rest' } },
      { kind: 'create', excludesFromDefault: { before: '2026-03-30T23:59:10Z' } },
    ])
    const [outcome] = await partsmith.service.runFleet([{ config: { ...config, createAheadCount: 1 } }], {
      now,
    })
    expect(outcome?.result).toMatchObject({
      success: true,
      issues: [],
      operations: [{ kind: 'readmit', status: 'done' }],
    })
    expect(await exclusions(database)).toBe(0)
    await expect(partsmith.apply(config, plan, { now })).rejects.toThrow(
      'the CHECK that excludes a range from public.rest was taken off',
    )
    expect(await partsmith.maintain(config, { now })).toMatchObject({ success: true, createdCount: 1 })
  })

  it('says where rows go that have no partition, while the CHECK refuses those of a range', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql(`INSERT INTO events VALUES (1, '2031-01-01');
      ALTER TABLE rest ADD CONSTRAINT pg_partsmith_excluded CHECK (NOT (at >= '2026-04-01' AND at < '2026-05-01')) NOT VALID`)
    const { findings } = await tight(database).plan({ ...config, allowHazards: [] }, { now })
    expect(findings.map(({ code }) => code)).toEqual([
      'range-excluded',
      'hazard-not-allowed',
      'default-too-large',
      'rows-astray-in-default',
    ])
    expect(findings[0]?.next).toMatch(
      /when no run is at work \(SET lock_timeout = '100ms'; ALTER TABLE ONLY "public"\."rest" DROP CONSTRAINT pg_partsmith_excluded\)/,
    )
    expect(findings[2]?.message).toContain('into DEFAULT, once the CHECK that excludes a range is off it.')
  })
})
