import { expect, it } from 'vitest'

import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const events = `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);`
const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const now = '2026-03-15T12:00:00Z'
const march = `CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');`

describeEachServer('a table partitioned by range of a time', (major) => {
  it('gets the current partition and those ahead', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: events,
      config: monthly,
      now,
      operations: [
        'create public.events__2026_03',
        'create public.events__2026_04',
        'create public.events__2026_05',
      ],
      attached: [
        `events__2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')`,
        `events__2026_04 FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')`,
        `events__2026_05 FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00')`,
      ],
    })
  })

  it('has a gap filled', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march}
        CREATE TABLE later PARTITION OF events FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00');`,
      config: monthly,
      now,
      operations: ['create public.events__2026_04'],
    })
  })

  it('has expired partitions detached and dropped, whatever they are called', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march}
        CREATE TABLE "Old One" PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
        CREATE TABLE feb PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');`,
      config: { ...monthly, createAheadCount: 1, retentionCount: 2 },
      now,
      operations: ['detach public."Old One"', 'drop public."Old One"'],
      attached: [
        `events__2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')`,
        `feb FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`,
      ],
    })
  })

  it('keeps everything when no retention is configured', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march}
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2001-01-01 00:00:00+00') TO ('2001-02-01 00:00:00+00');`,
      config: { ...monthly, createAheadCount: 1 },
      now,
      operations: [],
    })
  })

  it('has rows of the new range taken out of DEFAULT', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;
        INSERT INTO events SELECT g, '2026-04-10'::timestamptz + g * interval '1 minute' FROM generate_series(1, 100) g;
        INSERT INTO events VALUES (1000, '2027-01-01');`,
      config: { ...monthly, createAheadCount: 2 },
      now,
      operations: ['create public.events__2026_04'],
    })
    expect(await database.sql('SELECT count(*)::int AS n FROM events__2026_04')).toEqual([{ n: 100 }])
    expect(await database.sql('SELECT count(*)::int AS n FROM ONLY rest')).toEqual([{ n: 1 }])
  })

  it('has an expired partition detached beside a DEFAULT, by the blocking form', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${events} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2001-01-01 00:00:00+00') TO ('2001-02-01 00:00:00+00');`,
      config: { ...monthly, createAheadCount: 1, retentionCount: 1, dropAfter: '7 days' },
      now,
      operations: ['detach public.old'],
    }).catch((error: unknown) => {
      throw error
    })
    expect(plan.operations[0]).toMatchObject({ kind: 'detach', mode: 'blocking' })
  })
})
