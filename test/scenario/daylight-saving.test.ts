import { expect, it } from 'vitest'
import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const table = (keyType: string): string =>
  `CREATE TABLE events (id int, at ${keyType} NOT NULL) PARTITION BY RANGE (at)`
const berlin = { tableName: 'events', partitionColumn: 'at', timeZone: 'Europe/Berlin' } as const

describeEachServer('where clocks change', (major) => {
  it('the hour that is left out has no partition', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: table('timestamptz'),
      config: { ...berlin, granularity: 'hour', createAheadCount: 3 },
      now: '2026-03-29T00:30:00Z',
      operations: [
        'create public.events__2026_03_29_01',
        'create public.events__2026_03_29_03',
        'create public.events__2026_03_29_04',
      ],
      attached: [
        `events__2026_03_29_01 FOR VALUES FROM ('2026-03-29 00:00:00+00') TO ('2026-03-29 01:00:00+00')`,
        `events__2026_03_29_03 FOR VALUES FROM ('2026-03-29 01:00:00+00') TO ('2026-03-29 02:00:00+00')`,
        `events__2026_03_29_04 FOR VALUES FROM ('2026-03-29 02:00:00+00') TO ('2026-03-29 03:00:00+00')`,
      ],
      partsmith: { ddlTimezone: 'Europe/Berlin' },
    })
  })

  it('the hour that comes twice has two partitions, with names of their own', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: table('timestamptz'),
      config: { ...berlin, granularity: 'hour', createAheadCount: 4 },
      now: '2026-10-24T23:10:00Z',
      operations: [
        'create public.events__2026_10_25_01',
        'create public.events__2026_10_25_02',
        'create public.events__2026_10_25_02b',
        'create public.events__2026_10_25_03',
      ],
      attached: [
        `events__2026_10_25_01 FOR VALUES FROM ('2026-10-24 23:00:00+00') TO ('2026-10-25 00:00:00+00')`,
        `events__2026_10_25_02 FOR VALUES FROM ('2026-10-25 00:00:00+00') TO ('2026-10-25 01:00:00+00')`,
        `events__2026_10_25_02b FOR VALUES FROM ('2026-10-25 01:00:00+00') TO ('2026-10-25 02:00:00+00')`,
        `events__2026_10_25_03 FOR VALUES FROM ('2026-10-25 02:00:00+00') TO ('2026-10-25 03:00:00+00')`,
      ],
      partsmith: { ddlTimezone: 'Europe/Berlin' },
    })
  })

  it('a timestamp key has 24 hours on every day: its clock is on the wall', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: table('timestamp'),
      config: { ...berlin, granularity: 'hour', createAheadCount: 3 },
      now: '2026-10-24T23:10:00Z',
      operations: [
        'create public.events__2026_10_25_01',
        'create public.events__2026_10_25_02',
        'create public.events__2026_10_25_03',
      ],
      partsmith: { ddlTimezone: 'Europe/Berlin' },
    })
    expect(plan.operations[1]).toMatchObject({
      range: { from: '2026-10-25 02:00:00', to: '2026-10-25 03:00:00' },
    })
  })

  it('days have 23 and 25 hours', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: table('timestamptz'),
      config: { ...berlin, granularity: 'day', createAheadCount: 1 },
      now: '2026-03-29T12:00:00Z',
      operations: ['create public.events__2026_03_29'],
      attached: [
        `events__2026_03_29 FOR VALUES FROM ('2026-03-28 23:00:00+00') TO ('2026-03-29 22:00:00+00')`,
      ],
      partsmith: { ddlTimezone: null },
    })
    await converges(database, {
      config: { ...berlin, granularity: 'day', createAheadCount: 1 },
      now: '2026-10-25T12:00:00Z',
      operations: ['create public.events__2026_10_25'],
      attached: [
        `events__2026_03_29 FOR VALUES FROM ('2026-03-28 23:00:00+00') TO ('2026-03-29 22:00:00+00')`,
        `events__2026_10_25 FOR VALUES FROM ('2026-10-24 22:00:00+00') TO ('2026-10-25 23:00:00+00')`,
      ],
      partsmith: { ddlTimezone: null },
    })
  })

  it('a midnight that comes twice begins the day as the server reads it', async () => {
    await using database = await createDatabase(major)
    const [server] = await database.sql(
      `SELECT (('2026-11-01 00:00'::timestamp AT TIME ZONE 'America/Havana') AT TIME ZONE 'UTC')::text AS midnight`,
    )
    const { plan } = await converges(database, {
      given: table('timestamptz'),
      config: {
        tableName: 'events',
        partitionColumn: 'at',
        granularity: 'day',
        timeZone: 'America/Havana',
        createAheadCount: 2,
      },
      now: '2026-10-31T18:00:00Z',
      operations: ['create public.events__2026_10_31', 'create public.events__2026_11_01'],
      partsmith: { ddlTimezone: 'America/Havana' },
    })
    expect(plan.operations[1]).toMatchObject({ range: { from: `${server?.['midnight']}+00` } })
  })

  it('a day that a zone skipped is no partition', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: table('timestamptz'),
      config: {
        tableName: 'events',
        partitionColumn: 'at',
        granularity: 'day',
        timeZone: 'Pacific/Apia',
        createAheadCount: 3,
      },
      now: '2011-12-29T12:00:00Z',
      operations: [
        'create public.events__2011_12_29',
        'create public.events__2011_12_31',
        'create public.events__2012_01_01',
      ],
      attached: [
        `events__2011_12_29 FOR VALUES FROM ('2011-12-29 10:00:00+00') TO ('2011-12-30 10:00:00+00')`,
        `events__2011_12_31 FOR VALUES FROM ('2011-12-30 10:00:00+00') TO ('2011-12-31 10:00:00+00')`,
        `events__2012_01_01 FOR VALUES FROM ('2011-12-31 10:00:00+00') TO ('2012-01-01 10:00:00+00')`,
      ],
      partsmith: { ddlTimezone: 'Pacific/Apia' },
    })
  })
})
