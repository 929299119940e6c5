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
import { commentOf, mark } from '../support/marked-tables.ts'

const january = month('2026-01')
const february = month('2026-02')
const retired = (name: string): readonly string[] => [`detach public.${name}`, `drop public.${name}`]

describeEachServer('retention', (major) => {
  it('counts the current period: one means that only it is kept', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${january} ${february} ${march} ${month('2026-04')}`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [
        'detach public.events__2026_01',
        'detach public.events__2026_02',
        'drop public.events__2026_01',
        'drop public.events__2026_02',
      ],
      attached: [attachedMarch, attachedMonth('2026-04')],
      standalone: [],
    })
  })

  it('counts periods, whether or not there are partitions for them', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${month('2025-12')} ${january} ${march}`,
      config: { ...monthly, retentionCount: 3 },
      now,
      operations: retired('events__2025_12'),
      attached: [attachedMonth('2026-01'), attachedMarch],
    })
  })

  it('is not there unless it is asked for', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${month('1999-01')} ${march}`,
      config: monthly,
      now,
      operations: [],
    })
  })

  it('may be longer than anything there is', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${january} ${march}`,
      config: { ...monthly, retentionCount: 2_000_000_000 },
      now,
      operations: [],
    })
  })

  it('ends a period at the very microsecond, and not one before', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${january} ${february} ${march}`,
      config: { ...monthly, retentionCount: 2, createAheadCount: 2 },
      now: '2026-02-28T23:59:59.999999Z',
      operations: [],
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now: '2026-03-01T00:00:00Z',
      operations: retired('events__2026_01'),
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now: '2026-03-01T00:00:00.000001Z',
      operations: retired('events__2026_02'),
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now: '2026-03-31T23:59:59.999999Z',
      operations: [],
      attached: [attachedMarch],
    })
  })

  for (const keyType of ['timestamptz', 'timestamp', 'date']) {
    it(`ends a ${keyType} day in the zone of the calendar, not in that of the server`, async () => {
      await using database = await createDatabase(major)
      const bounds = (from: string, to: string): string =>
        keyType === 'timestamptz'
          ? `FROM ('${from} 00:00:00 Asia/Kolkata') TO ('${to} 00:00:00 Asia/Kolkata')`
          : `FROM ('${from}') TO ('${to}')`
      const config = {
        ...monthly,
        granularity: 'day',
        timeZone: 'Asia/Kolkata',
        retentionCount: 1,
      } as const
      const partsmith = { ddlTimezone: 'Asia/Kolkata' }
      await converges(database, {
        given: `CREATE TABLE events (at ${keyType} NOT NULL) PARTITION BY RANGE (at);
          CREATE TABLE a PARTITION OF events FOR VALUES ${bounds('2026-03-14', '2026-03-15')};
          CREATE TABLE b PARTITION OF events FOR VALUES ${bounds('2026-03-15', '2026-03-16')};
          CREATE TABLE c PARTITION OF events FOR VALUES ${bounds('2026-03-16', '2026-03-17')};`,
        config,
        now: '2026-03-14T18:29:59.999999Z',
        operations: [],
        partsmith,
      })
      await converges(database, { config, now: '2026-03-14T18:30:00Z', operations: retired('a'), partsmith })
      await converges(database, { config, now: '2026-03-15T18:30:00Z', operations: retired('b'), partsmith })
    })
  }

  it('takes the parts of a period one by one, and only what has ended', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${partition('feb_a', '2026-02-01', '2026-02-10')} ${partition('feb_b', '2026-02-10', '2026-03-01')}
        ${partition('mar_a', '2026-03-01', '2026-03-02')} ${partition('mar_b', '2026-03-02', '2026-04-01')}`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['detach public.feb_a', 'detach public.feb_b', 'drop public.feb_a', 'drop public.feb_b'],
    })
  })

  it('never takes what is not of the calendar', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${partition('two_months', '2020-01-01', '2020-03-01')}
        CREATE TABLE before PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00:00+00');`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['off-calendar-partition', 'open-ended-partition'],
      attached: [
        `before FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00:00+00')`,
        attachedMarch,
        `two_months FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-03-01 00:00:00+00')`,
      ],
    })
  })

  it('leaves a partition that is partitioned itself, or foreign, and says so', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march}
        CREATE TABLE jan PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00') PARTITION BY HASH (id);
        CREATE TABLE jan_0 PARTITION OF jan FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE feb PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')
          SERVER files OPTIONS (program 'true');
        COMMENT ON FOREIGN TABLE feb IS 'pg-partsmith:orphan-parent=public.events';`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['partition-kind-unsupported', 'partition-kind-unsupported'],
    })
  })
})

describeEachServer('detaching', (major) => {
  const old = `${events} ${march} ${february} COMMENT ON TABLE events__2026_02 IS 'kept for the auditors';`
  const modes = [
    ['auto', false, 'concurrent'],
    ['concurrent', false, 'concurrent'],
    ['blocking', false, 'blocking'],
    ['auto', true, 'blocking'],
    ['blocking', true, 'blocking'],
  ] as const
  for (const [detachMode, withDefault, mode] of modes) {
    it(`in mode ${detachMode} ${withDefault ? 'beside' : 'without'} a DEFAULT is ${mode}, marked, and as printed`, async () => {
      await using database = await createDatabase(major)
      const { plan } = await converges(database, {
        given: `${old} ${withDefault ? 'CREATE TABLE rest PARTITION OF events DEFAULT;' : ''}`,
        config: { ...monthly, retentionCount: 1, detachMode, dropAfter: '7 days' },
        now,
        operations: ['detach public.events__2026_02'],
        standalone: ['events__2026_02'],
        thenFindings: ['orphan-kept'],
      })
      const parentLock = mode === 'blocking' ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE'
      expect(plan.operations[0]).toMatchObject({
        mode,
        locks: expect.arrayContaining([
          expect.objectContaining({ relation: { schema: 'public', name: 'events' }, mode: parentLock }),
        ]),
      })
      const lines = (await commentOf(database, 'events__2026_02'))?.split('\n')
      expect(lines?.[0]).toBe('pg-partsmith:orphan-parent=public.events')
      expect(lines?.[1]).toBe('pg-partsmith:detached-at=2026-03-15T12:00:00+00:00')
      expect(JSON.parse(lines?.[2]?.replace('pg-partsmith:json=', '') ?? '')).toMatchObject({
        v: 1,
        parent: { schema: 'public', name: 'events' },
        bound: `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`,
      })
      expect(lines?.slice(3)).toEqual(['kept for the auditors'])
    })
  }

  it('in mode concurrent beside a DEFAULT is not done at all: the word is a promise to writers', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${old} ${january} CREATE TABLE rest PARTITION OF events DEFAULT;`,
      config: { ...monthly, retentionCount: 1, detachMode: 'concurrent' },
      now,
      operations: [],
      findings: ['concurrent-detach-impossible'],
    })
    expect(plan.findings[0]?.message).toContain('public.events__2026_01 and public.events__2026_02 expired')
  })

  it('goes on with a partition that is marked and still attached: the run before died in between', async () => {
    await using database = await createDatabase(major)
    await database.sql(old)
    await mark(database, {
      table: 'events__2026_02',
      bound: `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`,
      detachedAt: '2020-01-01T00:00:00Z',
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 1, dropAfter: '7 days' },
      now,
      operations: ['detach public.events__2026_02'],
      thenFindings: ['orphan-kept'],
    })
    // The grace period begins with the detach that happened, not with the one that did not.
    expect(await commentOf(database, 'events__2026_02')).toContain('detached-at=2026-03-15T12:00:00+00:00')
  })

  it('takes the marker off a partition that is wanted, and leaves its own comment', async () => {
    await using database = await createDatabase(major)
    await database.sql(old)
    await mark(database, { table: 'events__2026_02', bound: undefined })
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['unmark public.events__2026_02'],
    })
    expect(await commentOf(database, 'events__2026_02')).toBe('kept for the auditors')
  })

  it('takes a building marker off a partition that somebody attached by hand', async () => {
    await using database = await createDatabase(major)
    await database.sql(old)
    await mark(database, {
      table: 'events__2026_02',
      kind: 'building',
      bound: `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`,
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['unmark public.events__2026_02'],
    })
    expect(await commentOf(database, 'events__2026_02')).toBe('kept for the auditors')
  })
})

describeEachServer('dropping', (major) => {
  const given = `${events} ${march} ${february}`
  const config = { ...monthly, retentionCount: 1, dropAfter: '7 days' } as const

  it('waits for the grace period: not before it is over, and then at once', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given,
      config,
      now,
      operations: ['detach public.events__2026_02'],
      thenFindings: ['orphan-kept'],
    })
    await converges(database, {
      config,
      now: '2026-03-22T11:59:59.999999Z',
      operations: [],
      findings: ['orphan-kept'],
    })
    await converges(database, {
      config,
      now: '2026-03-22T12:00:00Z',
      operations: ['drop public.events__2026_02'],
      standalone: [],
    })
  })

  it('after the grace period is as good as at its end', async () => {
    await using database = await createDatabase(major)
    await converges(database, { given, config, now, operations: ['detach public.events__2026_02'] })
    const { plan } = await converges(database, {
      config: { ...config, retentionCount: 2 },
      now: '2026-04-30T00:00:00Z',
      operations: ['create public.events__2026_04', 'drop public.events__2026_02'],
    })
    expect(plan.operations[1]).toMatchObject({
      hazards: ['deletes-data'],
      reason: {
        code: 'grace-elapsed',
        text: 'detached at 2026-03-15T12:00:00Z, the grace period of 7 days is over',
      },
    })
  })

  it('is measured with the grace period of today, not with the one at the detach', async () => {
    await using database = await createDatabase(major)
    await converges(database, { given, config, now, operations: ['detach public.events__2026_02'] })
    await converges(database, {
      config: { ...config, dropAfter: '1 hour' },
      now: '2026-03-15T13:00:00Z',
      operations: ['drop public.events__2026_02'],
    })
  })

  it('never happens when that was chosen', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given,
      config: { ...config, dropAfter: 'never' },
      now,
      operations: ['detach public.events__2026_02'],
      standalone: ['events__2026_02'],
      thenFindings: ['orphan-kept'],
    })
    await converges(database, {
      config: { ...config, dropAfter: 'never', createAheadCount: 1 },
      now: '2026-03-31T00:00:00Z',
      operations: [],
      findings: ['orphan-kept'],
    })
  })
})
