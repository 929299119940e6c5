import { expect, it } from 'vitest'
import type { MaintenancePlan, Partsmith, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, planFromJson, planToJson } from '../../src/index.ts'
import { catalogOf } from '../support/catalog-state.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { events, march, month, monthly, now, partition } from '../support/events-table.ts'
import { commentOf, leavePending, mark } from '../support/marked-tables.ts'

const config: TablePartitionOptions = {
  ...monthly,
  createAheadCount: 2,
  retentionCount: 2,
  dropAfter: '7 days',
}

/** A plan that creates April, detaches January and drops the December that was detached in February. */
async function planned(
  database: TestDatabase,
): Promise<{ partsmith: Partsmith; plan: MaintenancePlan; file: string }> {
  await database.sql(`${events} ${march} ${month('2026-02')} ${month('2026-01')} ${month('2025-12')}
    ALTER TABLE events DETACH PARTITION events__2025_12; COMMENT ON TABLE events__2025_12 IS 'mine';`)
  await mark(database, {
    table: 'events__2025_12',
    bound: `FOR VALUES FROM ('2025-12-01 00:00:00+00') TO ('2026-01-01 00:00:00+00')`,
    detachedAt: '2026-02-01T00:00:00Z',
  })
  const partsmith = createPartsmith({ pool: database.pool })
  const plan = await partsmith.plan(config, { now })
  expect(plan.operations.map(({ id }) => id)).toEqual([
    'create public.events__2026_04',
    'detach public.events__2026_01',
    'drop public.events__2025_12',
  ])
  return { partsmith, plan, file: planToJson(plan) }
}

describeEachServer('a saved plan', (major) => {
  it('comes back from its file as it was, and can be applied', async () => {
    await using database = await createDatabase(major)
    const { partsmith, plan, file } = await planned(database)
    expect(planFromJson(file)).toEqual(plan)
    expect(planToJson(planFromJson(file))).toBe(file)
    expect(file).not.toMatch(/CREATE TABLE|ALTER TABLE|DROP TABLE/)
    const result = await partsmith.apply(config, planFromJson(file), { now })
    expect(result).toMatchObject({ success: true, createdCount: 1, detachedCount: 1, droppedCount: 1 })
  })

  it('is refused with the next step when its text is not what was saved', async () => {
    await using database = await createDatabase(major)
    const { plan, file } = await planned(database)
    const before = await catalogOf(database)
    const spoiled: readonly (readonly [text: string, message: RegExp])[] = [
      ['', /not complete JSON/],
      [file.slice(0, -20), /not complete JSON: it was cut short/],
      ['{}', /not a saved plan/],
      ['[]', /not a saved plan/],
      ['null', /not a saved plan/],
      ['"plan"', /not a saved plan/],
      [file.replace('"version": 1', '"version": 2'), /format 2 and this version reads format 1/],
      [file.replace('events__2026_01', 'events__2026_02'), /changed after it was saved/],
      [file.replace('"mode": "concurrent"', '"mode": "blocking"'), /changed after it was saved/],
      [file.replace(/"checksum": "[^"]*"/, '"checksum": "0"'), /changed after it was saved/],
      [JSON.stringify({ ...plan }), /changed after it was saved/],
      [JSON.stringify({ ...JSON.parse(file), more: true }), /changed after it was saved/],
      [JSON.stringify({ version: 1, operations: [] }), /changed after it was saved/],
    ]
    for (const [text, message] of spoiled) {
      expect(() => planFromJson(text)).toThrow(expect.objectContaining({ code: 'plan-unreadable' }))
      expect(() => planFromJson(text)).toThrow(message)
      expect(() => planFromJson(text)).toThrow(
        /Nothing was changed; .*\.$|Nothing was changed; .*\. Plan again\.$/,
      )
    }
    // How it is laid out does not matter.
    expect(planFromJson(JSON.stringify(JSON.parse(file)))).toEqual(plan)
    expect(await catalogOf(database)).toEqual(before)
  })

  it('is refused for another table and for another configuration, before anything is read', async () => {
    await using database = await createDatabase(major)
    const { partsmith, plan } = await planned(database)
    await database.sql('CREATE TABLE other (LIKE events) PARTITION BY RANGE (at)')
    const before = await catalogOf(database)
    const others: readonly TablePartitionOptions[] = [
      { ...config, tableName: 'other' },
      { ...config, schema: 'other' },
      { ...config, createAheadCount: 3 },
      { ...config, retentionCount: 3 },
      { ...config, dropAfter: '6 days' },
      { ...config, dropAfter: 'never' },
      { ...config, detachMode: 'blocking' },
      { ...config, granularity: 'day' },
      { ...config, maxRowsFromDefault: 1 },
      { tableName: 'events', partitionColumn: 'at', granularity: 'month', createAheadCount: 2 },
    ]
    for (const other of others) {
      await expect(partsmith.apply(other, plan, { now })).rejects.toMatchObject({
        code: 'plan-mismatch',
        message: expect.stringMatching(
          /^(The plan was made for public\.events|public\.events: the configuration was changed).*Nothing was changed.*\.$/,
        ),
      })
    }
    expect(await catalogOf(database)).toEqual(before)
    // The same wishes in other words are no other configuration.
    const same: TablePartitionOptions = {
      ...config,
      schema: 'public',
      dropAfter: 'P7D',
      timeZone: 'UTC',
      detachMode: 'auto',
    }
    expect((await partsmith.apply(same, plan, { now })).success).toBe(true)
  })

  const moves: readonly (readonly [what: string, sql: string, message: RegExp])[] = [
    [
      'a partition was added',
      partition('extra', '2027-01-01', '2027-02-01'),
      /public\.extra is attached FOR VALUES FROM \('2027-01-01 00:00:00\+00'\).* now and was not there/,
    ],
    [
      'a partition was dropped',
      'DROP TABLE events__2026_02',
      /public\.events__2026_02 was attached FOR VALUES .* and is not any more/,
    ],
    [
      'a partition was detached by hand',
      'ALTER TABLE events DETACH PARTITION events__2026_01',
      /public\.events__2026_01 was attached .* and is not any more/,
    ],
    [
      'a partition was renamed',
      'ALTER TABLE events__2026_01 RENAME TO renamed',
      /public\.events__2026_01 was renamed to public\.renamed/,
    ],
    [
      'a partition moved to another schema',
      'CREATE SCHEMA s; ALTER TABLE events__2026_01 SET SCHEMA s',
      /public\.events__2026_01 was renamed to s\.events__2026_01/,
    ],
    [
      'a partition was dropped and created again under its name',
      `DROP TABLE events__2026_01; ${partition('events__2026_01', '2026-01-01', '2026-02-01')}`,
      /: public\.events__2026_01 was dropped and created again\. Nothing/,
    ],
    [
      'the bounds of a partition were changed',
      `ALTER TABLE events DETACH PARTITION events__2026_01; TRUNCATE events__2026_01;
       ALTER TABLE events ATTACH PARTITION events__2026_01 FOR VALUES FROM ('2026-01-02 00:00:00+00') TO ('2026-02-01 00:00:00+00')`,
      /public\.events__2026_01 was attached FOR VALUES FROM \('2026-01-01 .* and is attached FOR VALUES FROM \('2026-01-02 .* now/,
    ],
    [
      'a DEFAULT was added',
      'CREATE TABLE rest PARTITION OF events DEFAULT',
      /public\.rest is attached DEFAULT now and was not there/,
    ],
    [
      'the comment of a detached table was changed',
      `COMMENT ON TABLE events__2025_12 IS 'mine'`,
      /public\.events__2025_12 was detached and marked and is not any more/,
    ],
    [
      'the marker of a detached table was written anew',
      `DO $$ BEGIN EXECUTE format('COMMENT ON TABLE events__2025_12 IS %L', replace(obj_description('events__2025_12'::regclass), '2026-02-01', '2026-02-02')); END $$`,
      /the comment of public\.events__2025_12 was changed/,
    ],
    [
      'a detached table was dropped',
      'DROP TABLE events__2025_12',
      /public\.events__2025_12 was detached and marked and is not any more/,
    ],
    [
      'a detached table was attached again by hand',
      `ALTER TABLE events ATTACH PARTITION events__2025_12 FOR VALUES FROM ('2025-12-01 00:00:00+00') TO ('2026-01-01 00:00:00+00')`,
      /public\.events__2025_12 was detached and is attached now/,
    ],
    [
      'the table was made anew',
      `ALTER TABLE events RENAME TO before; CREATE TABLE events (LIKE before) PARTITION BY RANGE (at)`,
      /the partitioned table was dropped and created again/,
    ],
  ]
  for (const [what, sql, message] of moves) {
    it(`is refused when ${what}, and says so`, async () => {
      await using database = await createDatabase(major)
      const { partsmith, plan } = await planned(database)
      await database.sql(sql)
      const before = await catalogOf(database)
      await expect(partsmith.apply(config, plan, { now })).rejects.toMatchObject({
        code: 'plan-stale',
        message: expect.stringMatching(message),
      })
      await expect(partsmith.apply(config, plan, { now })).rejects.toThrow(
        /^public\.events: the plan does not hold any more: .*\. Nothing was changed; plan again\.$/s,
      )
      expect(await catalogOf(database)).toEqual(before)
    })
  }

  it('is refused when a detach became pending, and when a marker was written or removed', async () => {
    await using database = await createDatabase(major)
    const { partsmith, plan } = await planned(database)
    await mark(database, { table: 'events__2026_02', bound: undefined })
    await expect(partsmith.apply(config, plan, { now })).rejects.toThrow(
      /the marker of public\.events__2026_02 was written/,
    )
    const marked = await partsmith.plan(config, { now })
    await database.sql('COMMENT ON TABLE events__2026_02 IS NULL')
    await expect(partsmith.apply(config, marked, { now })).rejects.toThrow(
      /the marker of public\.events__2026_02 was removed/,
    )
    await leavePending(database, { table: 'events__2026_01' })
    await expect(partsmith.apply(config, plan, { now })).rejects.toThrow(
      /a detach of public\.events__2026_01 is pending now/,
    )
    const pending = await partsmith.plan(config, { now })
    await database.sql('ALTER TABLE events DETACH PARTITION events__2026_01 FINALIZE')
    await expect(partsmith.apply(config, pending, { now })).rejects.toThrow(
      /public\.events__2026_01 was attached .* and is not any more/,
    )
  })

  it('of another database is refused, however alike the two are', async () => {
    await using database = await createDatabase(major)
    const { plan } = await planned(database)
    await using another = await createDatabase(major)
    const other = await planned(another)
    await expect(other.partsmith.apply(config, plan, { now })).rejects.toThrow(
      /it was made on another database/,
    )
  })

  it('names five things that moved, and counts the others', async () => {
    await using database = await createDatabase(major)
    const { partsmith, plan } = await planned(database)
    await database.sql(
      ['05', '06', '07', '08', '09', '10', '11'].map((number) => month(`2026-${number}`)).join(' '),
    )
    await expect(partsmith.apply(config, plan, { now })).rejects.toThrow(
      /; and 2 more\. Nothing was changed; plan again\.$/,
    )
  })

  it('does not do what would not be done any more: the clock went back', async () => {
    await using database = await createDatabase(major)
    const { partsmith, plan } = await planned(database)
    const result = await partsmith.apply(config, plan, { now: '2026-02-05T00:00:00Z' })
    expect(result.operations.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
      'create refused',
      'detach refused',
      'drop refused',
    ])
    expect(result.issues.map(({ message }) => message)).toEqual([
      'public.events: create public.events__2026_04 was left out: it would not be planned now. Plan again.',
      'public.events: detach public.events__2026_01 was left out: it would not be planned now. Plan again.',
      'public.events: drop public.events__2025_12 was left out: it would not be planned now. Plan again.',
    ])
    expect(await commentOf(database, 'events__2025_12')).toContain('pg-partsmith:orphan-parent=')
  })

  it('with findings of errors is no success', async () => {
    await using database = await createDatabase(major)
    await database.sql('CREATE TABLE events (at int) PARTITION BY RANGE (at)')
    const partsmith = createPartsmith({ pool: database.pool })
    const plan = await partsmith.plan(config, { now })
    const applied = await partsmith.apply(config, plan, { now })
    const maintained = await partsmith.maintain(config, { now })
    expect(applied.issues.map(({ message }) => message)).toEqual(
      maintained.issues.map(({ message }) => message),
    )
    expect([applied.success, maintained.success]).toEqual([false, false])
  })
})
