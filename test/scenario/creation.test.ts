import { expect, it } from 'vitest'
import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
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

describeEachServer('what is there already', (major) => {
  it('is completed: gaps are filled, and what lies beyond is left alone', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${month('2026-05', 'may')} ${month('2027-01')}`,
      config: { ...monthly, createAheadCount: 4 },
      now,
      operations: ['create public.events__2026_04', 'create public.events__2026_06'],
      attached: [
        attachedMarch,
        attachedMonth('2026-04'),
        attachedMonth('2026-06'),
        attachedMonth('2027-01'),
        attachedMonth('2026-05', 'may'),
      ],
    })
  })

  it('counts when it covers the period in pieces of any size', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${partition('first_half', '2026-03-01', '2026-03-16')} ${partition('second_half', '2026-03-16', '2026-04-01')}
        ${partition('two_months', '2026-04-01', '2026-06-01')}`,
      config: { ...monthly, createAheadCount: 3 },
      now,
      operations: [],
      findings: ['off-calendar-partition'],
    })
  })

  it('is reported where it covers a period only in part, and the others are created', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${events} ${march} ${partition('middle', '2026-04-10', '2026-04-20')}`,
      config: { ...monthly, createAheadCount: 3 },
      now,
      operations: ['create public.events__2026_05'],
      findings: ['range-overlap'],
    })
    expect(plan.findings[0]?.message).toContain(
      'public.middle [2026-04-10 00:00:00+00, 2026-04-20 00:00:00+00)',
    )
  })

  it('is reported where it straddles two periods', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${partition('straddling', '2026-03-20', '2026-04-20')}`,
      config: { ...monthly, createAheadCount: 3, retentionCount: 1 },
      now,
      operations: ['create public.events__2026_05'],
      findings: ['inserts-fail', 'off-calendar-partition', 'range-overlap', 'range-overlap'],
    })
  })

  it('may be open-ended: it is left alone, and periods inside it are not created', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march}
        CREATE TABLE past PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2026-03-01 00:00:00+00');
        CREATE TABLE future PARTITION OF events FOR VALUES FROM ('2026-05-01 00:00:00+00') TO (MAXVALUE);
        INSERT INTO events VALUES (1, '-infinity'), (2, 'infinity');`,
      config: { ...monthly, createAheadCount: 4, retentionCount: 1 },
      now,
      operations: ['create public.events__2026_04'],
      findings: ['open-ended-partition'],
    })
  })

  it('may be bounded by infinity, which is not MAXVALUE', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events}
        CREATE TABLE beginning PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('-infinity');
        CREATE TABLE past PARTITION OF events FOR VALUES FROM ('-infinity') TO ('2026-03-01 00:00:00+00');
        CREATE TABLE future PARTITION OF events FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('infinity');
        CREATE TABLE ending PARTITION OF events FOR VALUES FROM ('infinity') TO (MAXVALUE);`,
      config: { ...monthly, createAheadCount: 4, retentionCount: 1 },
      now,
      operations: ['create public.events__2026_03', 'create public.events__2026_04'],
      findings: ['open-ended-partition'],
    })
  })

  it('may lie where no calendar reaches, and is then never retired', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march}
        CREATE TABLE epoch PARTITION OF events FOR VALUES FROM ('4714-11-24 00:00:00+00 BC') TO ('0001-01-01 00:00:00+00');
        CREATE TABLE far PARTITION OF events FOR VALUES FROM ('294276-12-01 00:00:00+00') TO ('294276-12-31 00:00:00+00');`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['off-calendar-partition'],
    })
  })

  it('may have been made for another zone: nothing overlaps and nothing is retired', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events}
        CREATE TABLE feb PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+01') TO ('2026-03-01 00:00:00+01');
        CREATE TABLE mar PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+01') TO ('2026-04-01 00:00:00+02');`,
      config: { ...monthly, createAheadCount: 2, retentionCount: 1 },
      now,
      operations: ['create public.events__2026_04'],
      findings: ['off-calendar-partition', 'range-overlap'],
      // Two hours of March are missing, so that month is reported; April is free.
    })
  })
})

describeEachServer('a name that is taken', (major) => {
  const takers: readonly (readonly [what: string, sql: string, message: RegExp])[] = [
    ['a table', 'CREATE TABLE events__2026_04 (x int)', /a table that is not attached\.$/],
    [
      'a partitioned table',
      'CREATE TABLE events__2026_04 (x int) PARTITION BY LIST (x)',
      /a partitioned table\.$/,
    ],
    ['a view', 'CREATE VIEW events__2026_04 AS SELECT 1', /a view\.$/],
    ['a materialized view', 'CREATE MATERIALIZED VIEW events__2026_04 AS SELECT 1', /a materialized view\.$/],
    ['a sequence', 'CREATE SEQUENCE events__2026_04', /a sequence\.$/],
    ['an index', 'CREATE TABLE x (y int); CREATE INDEX events__2026_04 ON x (y)', /an index\.$/],
    ['an enum type', `CREATE TYPE events__2026_04 AS ENUM ('a')`, /a type\.$/],
    ['a composite type', 'CREATE TYPE events__2026_04 AS (a int)', /a type\.$/],
    ['a domain', 'CREATE DOMAIN events__2026_04 AS int', /a type\.$/],
    [
      'a partition of another table',
      `CREATE TABLE other (at timestamptz) PARTITION BY RANGE (at);
       CREATE TABLE events__2026_04 PARTITION OF other DEFAULT`,
      /an attached partition\.$/,
    ],
    [
      'a partition of the same table with other bounds',
      partition('events__2026_04', '2027-01-01', '2027-02-01'),
      /an attached partition of the same table, with other bounds\.$/,
    ],
    [
      'a foreign table',
      `CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
       CREATE FOREIGN TABLE events__2026_04 (x int) SERVER nowhere`,
      /a foreign table\.$/,
    ],
  ]
  for (const [what, sql, message] of takers) {
    it(`by ${what} is reported, and the other periods are created`, async () => {
      await using database = await createDatabase(major)
      const { plan } = await converges(database, {
        given: `${events} ${march} ${sql}`,
        config: { ...monthly, createAheadCount: 3 },
        now,
        operations: ['create public.events__2026_05'],
        findings: ['name-taken'],
      })
      expect(plan.findings[0]?.message).toMatch(message)
    })
  }

  it('in another schema is not taken', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} CREATE SCHEMA other; CREATE TABLE other.events__2026_04 (x int);`,
      config: { ...monthly, createAheadCount: 2 },
      now,
      operations: ['create public.events__2026_04'],
    })
  })

  it('by the array type of another table is not taken: the server renames such a type', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} CREATE TABLE _events (LIKE events) PARTITION BY RANGE (at);`,
      config: { ...monthly, tableName: '_events' },
      now,
      operations: ['create public._events__2026_03'],
    })
  })
})
