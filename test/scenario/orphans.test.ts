import { expect, it } from 'vitest'
import { createPartsmith } from '../../src/index.ts'
import { converges } from '../support/converges.ts'
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
import { commentOf, mark, markAsPython } from '../support/marked-tables.ts'

const february = `${month('2026-02')} COMMENT ON TABLE events__2026_02 IS E'two\\nlines\\n';`
const febBound = `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`
const detachedFebruary = `${events} ${march} ${february} ALTER TABLE events DETACH PARTITION events__2026_02;`

/** February was detached by the tool, and waits. */
async function detached(database: TestDatabase, given = `${events} ${march} ${february}`): Promise<void> {
  await converges(database, {
    given,
    config: { ...monthly, retentionCount: 1, dropAfter: '30 days' },
    now,
    operations: ['detach public.events__2026_02'],
  })
}

describeEachServer('a detached table', (major) => {
  it('is kept as long as the configuration of the run says, and the finding says that it does', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    const partsmith = createPartsmith({ pool: database.pool })
    const retire = { ...monthly, retentionCount: 1 } as const
    const kept = await partsmith.plan({ ...retire, dropAfter: '30 days' }, { now })
    expect(kept.findings.map(({ message }) => message)).toEqual([
      'public.events__2026_02 was detached at 2026-03-15T12:00:00Z and is kept until 2026-04-14T12:00:00Z, by a dropAfter of 30 days; a run with a shorter one drops it sooner.',
    ])
    const sooner = await partsmith.plan({ ...retire, dropAfter: '0 seconds' }, { now })
    expect(sooner.operations.map(({ id }) => id)).toEqual(['drop public.events__2026_02'])
  })

  it('is attached again when retention grows, and has its own comment and no marker', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['attach public.events__2026_02'],
      attached: [attachedMonth('2026-02'), attachedMarch],
    })
    expect(await commentOf(database, 'events__2026_02')).toBe('two\nlines\n')
  })

  it('is attached again when nothing expires any more', async () => {
    await using database = await createDatabase(major)
    await detached(database, `${events} ${march} ${month('2026-02')}`)
    await converges(database, { config: monthly, now, operations: ['attach public.events__2026_02'] })
    expect(await commentOf(database, 'events__2026_02')).toBeNull()
  })

  it('is attached again when its period is wanted: the clock of the run before was ahead', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now: '2026-02-27T00:00:00Z',
      operations: ['attach public.events__2026_02'],
    })
  })

  it('is attached again under the name that it was given meanwhile: its marker says what it held', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await database.sql('ALTER TABLE events__2026_02 RENAME TO "Old February"')
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['attach public."Old February"'],
    })
  })

  it('is attached again beside a DEFAULT, with the rows that came into it meanwhile', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await converges(database, {
      given: `CREATE TABLE rest PARTITION OF events DEFAULT;
        INSERT INTO events VALUES (7, '2026-02-05 00:00:00+00'), (8, '2026-01-05 00:00:00+00');`,
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['attach public.events__2026_02'],
      findings: ['rows-astray-in-default'],
      thenFindings: ['rows-astray-in-default'],
    })
    expect(await database.sql('SELECT id FROM events__2026_02 ORDER BY id')).toEqual([
      { id: '1' },
      { id: '7' },
    ])
    expect(await database.sql('SELECT id FROM rest')).toEqual([{ id: '8' }])
  })

  it('is told apart from a period that something else holds now: it stays, with its rows', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    const { plan } = await converges(database, {
      given: partition('another', '2026-02-01', '2026-03-01'),
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: [],
      findings: ['orphan-wanted'],
    })
    expect(plan.findings[0]?.message).toMatch(/public\.another is attached there\.$/)
  })

  it('is one of two for the same period: one is attached, the other reported', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await database.sql('CREATE TABLE again (LIKE events)')
    await mark(database, { table: 'again', bound: febBound })
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['attach public.again'],
      findings: ['orphan-wanted'],
    })
  })

  it('is left alone when tables are never dropped, and its name is reported when it is in the way', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await converges(database, {
      config: { ...monthly, retentionCount: 2, dropAfter: 'never' },
      now: '2026-02-27T00:00:00Z',
      operations: [],
      findings: ['inserts-fail', 'name-taken', 'orphan-wanted'],
      standalone: ['events__2026_02'],
    })
  })

  it('that cannot be attached does not keep the partitions of the future from being made', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await converges(database, {
      given: 'ALTER TABLE events ADD COLUMN later int NOT NULL DEFAULT 0',
      config: { ...monthly, createAheadCount: 2, retentionCount: 2 },
      now,
      operations: ['create public.events__2026_04', 'attach public.events__2026_02'],
      notDone: { 'attach public.events__2026_02': 'failed' },
    })
  })

  it('is dropped in the run that follows a smaller grace period, by identity and not by name', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await database.sql('ALTER TABLE events__2026_02 RENAME TO renamed')
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['drop public.renamed'],
      standalone: [],
    })
  })

  it('is known by the identity of its parent when that is renamed', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await database.sql('ALTER TABLE events RENAME TO occurrences')
    await converges(database, {
      config: { ...monthly, tableName: 'occurrences', retentionCount: 1 },
      now,
      operations: ['drop public.events__2026_02'],
    })
  })

  it('whose marker says a range that the key cannot have is kept', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    await mark(database, { table: 'events__2026_02', bound: `FOR VALUES FROM ('100') TO ('200')` })
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['orphan-range-unknown'],
      standalone: ['events__2026_02'],
    })
  })
})

describeEachServer('a marker that is not to be believed', (major) => {
  const copies = [
    ['of another table, as a copy has it', { oid: '1' }, /another table \(OID 1,/],
    ['of another database, as a restored table has it', { database: '1/2' }, /another database \(1\/2,/],
    [
      'of a parent that was made anew',
      { parentOid: '1' },
      /another partitioned table \(public\.events, OID 1,/,
    ],
  ] as const
  for (const [what, but, message] of copies) {
    it(`${what}, keeps the table from being dropped and from being attached`, async () => {
      await using database = await createDatabase(major)
      await database.sql(detachedFebruary)
      await mark(database, { table: 'events__2026_02', bound: febBound, but })
      for (const retentionCount of [1, 2]) {
        const { plan } = await converges(database, {
          config: { ...monthly, retentionCount },
          now,
          operations: [],
          findings: ['marker-not-trusted'],
          standalone: ['events__2026_02'],
        })
        expect(plan.findings[0]?.message).toMatch(message)
      }
    })
  }

  it('as a copy made by CREATE TABLE .. LIKE and COMMENT has it: only the true one is dropped', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    const marker = String(await commentOf(database, 'events__2026_02'))
    await database.sql('CREATE TABLE copy AS SELECT * FROM events__2026_02')
    await database.sql(
      `DO $$ BEGIN EXECUTE format('COMMENT ON TABLE copy IS %L', obj_description('events__2026_02'::regclass, 'pg_class')); END $$`,
    )
    expect(await commentOf(database, 'copy')).toBe(marker)
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['drop public.events__2026_02'],
      findings: ['marker-not-trusted'],
      standalone: ['copy'],
    })
  })

  it('that cannot be read keeps the table from being dropped', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    for (const comment of [
      'pg-partsmith:orphan-parent=public.events\npg-partsmith:detached-at=yesterday',
      'pg-partsmith:orphan-parent=public.events\npg-partsmith:json={"v":1,',
      'pg-partsmith:orphan-parent=public.events\npg-partsmith:json={"v":2}',
      'pg-partsmith:building-parent=public.events',
    ]) {
      await database.sql(`COMMENT ON TABLE events__2026_02 IS '${comment}'`)
      await converges(database, {
        config: { ...monthly, retentionCount: 1 },
        now,
        operations: [],
        findings: ['marker-damaged'],
        standalone: ['events__2026_02'],
      })
    }
  })

  it('of another prefix is not a marker', async () => {
    await using database = await createDatabase(major)
    await detached(database)
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      standalone: ['events__2026_02'],
      partsmith: { markerPrefix: 'other' },
    })
  })
})

describeEachServer('a comment that anybody could have written', (major) => {
  it.each([
    [
      'CREATE TABLE anything (x int)',
      `E'pg-partsmith:orphan-parent=public.events\\npg-partsmith:detached-at=2020-01-01T00:00:00+00:00'`,
      'marker-not-trusted',
    ],
    [
      'CREATE TABLE anything (at date)',
      `E'pg-partsmith:orphan-parent=public.events\\npg-partsmith:detached-at=2020-01-01T00:00:00+00:00'`,
      'marker-not-trusted',
    ],
    [
      'CREATE TABLE anything (LIKE events)',
      `'pg-partsmith:orphan-parent=public.events'`,
      'orphan-age-unknown',
    ],
  ])('does not have a table dropped: %s, %s', async (made, comment, code) => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${made}; COMMENT ON TABLE anything IS ${comment};`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: [code],
      standalone: ['anything'],
    })
  })
})

describeEachServer('a table that was detached by pg-partsmith for Python', (major) => {
  const config = { ...monthly, retentionCount: 1, dropAfter: '7 days' } as const

  it('is dropped when its grace period is over', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    await markAsPython(database, { table: 'events__2026_02', detachedAt: '2026-03-08T14:00:00.000001+02:00' })
    await converges(database, { config, now, operations: [], findings: ['orphan-kept'] })
    await converges(database, {
      config,
      now: '2026-03-15T12:00:00.000001Z',
      operations: ['drop public.events__2026_02'],
      standalone: [],
    })
  })

  it('without an instant is never dropped, with a grace period or without', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    await markAsPython(database, { table: 'events__2026_02' })
    await converges(database, {
      config: { ...config, createAheadCount: 1 },
      now: '2026-03-31T00:00:00Z',
      operations: [],
      findings: ['orphan-age-unknown'],
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['orphan-age-unknown'],
    })
  })

  it('is attached again by its exactly generated name, and has its comment back', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    await markAsPython(database, {
      table: 'events__2026_02',
      detachedAt: '2026-03-01T00:00:00+00:00',
      comment: 'its own',
    })
    await converges(database, {
      config: { ...config, retentionCount: 2 },
      now,
      operations: ['attach public.events__2026_02'],
      attached: [attachedMonth('2026-02'), attachedMarch],
    })
    expect(await commentOf(database, 'events__2026_02')).toBe('its own')
  })

  it('is not attached again by a name that only looks like one', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${detachedFebruary} CREATE SCHEMA other`)
    const names = ['events_remote__2026_02', 'events__2026_2', 'events__2026_02_01', '"Events__2026_02"']
    for (const name of names) {
      await database.sql(`CREATE TABLE ${name} (LIKE events)`)
      await markAsPython(database, { table: name, detachedAt: '2026-03-14T00:00:00+00:00' })
    }
    await database.sql('CREATE TABLE other.events__2026_02 (LIKE events)')
    await markAsPython(database, { table: 'other.events__2026_02', detachedAt: '2026-03-14T00:00:00+00:00' })
    await converges(database, {
      config: { ...config, retentionCount: 2 },
      now,
      operations: [],
      findings: Array.from({ length: 5 }, () => 'orphan-kept'),
    })
  })

  it('is kept where nothing is configured to expire', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    await markAsPython(database, { table: 'events__2026_02', detachedAt: '2026-03-01T00:00:00+00:00' })
    await converges(database, { config: monthly, now, operations: [], findings: ['orphan-range-unknown'] })
  })
})

describeEachServer('adopting', (major) => {
  const config = { ...monthly, retentionCount: 1, dropAfter: '7 days' } as const

  it('marks a detached table, which keeps its comment and is dropped after the grace period', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${detachedFebruary} ALTER TABLE events__2026_02 RENAME TO "legacy data"`)
    const partsmith = createPartsmith({ pool: database.pool })
    await converges(database, { config, now, operations: [] })
    await partsmith.adoptPartition(config, 'legacy data', { now })
    const first = await commentOf(database, '"legacy data"')
    expect(first).toMatch(/^pg-partsmith:orphan-parent=public\.events\n.*\n.*\ntwo\nlines\n$/)
    await converges(database, { config, now, operations: [], findings: ['orphan-kept'] })
    // The second time only starts the grace period anew.
    await partsmith.adoptPartition(
      config,
      { schema: 'public', name: 'legacy data' },
      { now: '2026-03-16T00:00:00Z' },
    )
    expect(await commentOf(database, '"legacy data"')).toBe(
      first?.replace('2026-03-15T12:00:00', '2026-03-16T00:00:00'),
    )
    await converges(database, {
      config,
      now: '2026-03-23T00:00:00Z',
      operations: ['drop public."legacy data"'],
    })
  })

  it('makes a restored copy droppable, once a person has said so', async () => {
    await using database = await createDatabase(major)
    await database.sql(detachedFebruary)
    await mark(database, { table: 'events__2026_02', bound: febBound, but: { oid: '1' } })
    await createPartsmith({ pool: database.pool }).adoptPartition(config, 'events__2026_02', { now })
    await converges(database, {
      config: { ...config, dropAfter: '0 seconds' },
      now,
      operations: ['drop public.events__2026_02'],
    })
  })

  it('refuses an attached table, one that is not there, and one of another tree, and changes nothing', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${detachedFebruary}
      CREATE TABLE other (at timestamptz) PARTITION BY RANGE (at); CREATE TABLE part PARTITION OF other DEFAULT;`)
    const partsmith = createPartsmith({ pool: database.pool })
    for (const [table, code] of [
      ['events__2026_03', 'partition-attached'],
      ['part', 'partition-attached'],
      ['nothing', 'partition-not-found'],
    ] as const) {
      await expect(partsmith.adoptPartition(config, table, { now })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/\.$/),
      })
    }
    expect(await commentOf(database, 'events__2026_03')).toBeNull()
    expect(await commentOf(database, 'part')).toBeNull()
  })

  it('refuses the partitioned table itself, and what is no table', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${detachedFebruary} CREATE VIEW seen AS SELECT 1; CREATE TYPE kind AS ENUM ('a');`)
    const partsmith = createPartsmith({ pool: database.pool })
    for (const table of ['events', 'seen', 'kind']) {
      await expect(partsmith.adoptPartition(config, table, { now })).rejects.toThrow(/\.$/)
      await converges(database, { config, now, operations: [] })
    }
  })
})
