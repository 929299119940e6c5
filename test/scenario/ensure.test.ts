import { expect, it } from 'vitest'
import { createPartsmith } from '../../src/index.ts'
import { catalogOf } from '../support/catalog-state.ts'
import { attachedTo, converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { attachedMarch, attachedMonth, events, march, month, monthly, now } from '../support/events-table.ts'
import { leavePending, mark } from '../support/marked-tables.ts'

const config = { ...monthly, createAheadCount: 3, retentionCount: 2 }

describeEachServer('making sure of the partition of a moment', (major) => {
  it('creates that one and does nothing else, and nothing the second time', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${month('2020-01')}`)
    const { service } = createPartsmith({ pool: database.pool })
    const made = await service.ensurePartition(config, '2027-06-30T23:59:59.999999Z', { now })
    expect(made).toMatchObject({ success: true, createdCount: 1, detachedCount: 0 })
    expect(await attachedTo(database, monthly)).toEqual([
      attachedMonth('2020-01'),
      attachedMarch,
      attachedMonth('2027-06'),
    ])
    const before = await catalogOf(database)
    expect(await service.ensurePartition(config, '2027-06-01T00:00:00Z', { now })).toMatchObject({
      success: true,
      operations: [],
    })
    expect(await catalogOf(database)).toEqual(before)
  })

  it('is content with a partition of other bounds that holds the whole period', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events}
      CREATE TABLE year PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO (MAXVALUE)`)
    const { service } = createPartsmith({ pool: database.pool })
    expect(await service.ensurePartition(config, now, { now })).toMatchObject({
      success: true,
      operations: [],
    })
  })

  it('attaches again what was detached', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${month('2026-01')}`,
      config: { ...monthly, retentionCount: 1, dropAfter: '7 days' },
      now,
      operations: ['detach public.events__2026_01'],
    })
    const { service } = createPartsmith({ pool: database.pool })
    const result = await service.ensurePartition(config, '2026-01-05T00:00:00Z', { now })
    expect(result).toMatchObject({ success: true, attachedCount: 1, createdCount: 0 })
  })

  it('says why it cannot, and is no success then', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} CREATE VIEW events__2026_04 AS SELECT 1;
      CREATE TABLE half PARTITION OF events FOR VALUES FROM ('2026-05-10 00:00:00+00') TO ('2026-06-01 00:00:00+00');`)
    const { service } = createPartsmith({ pool: database.pool })
    const reasons = [
      [
        '2026-04-10T00:00:00Z',
        /^The partition of 2026-04-01 00:00:00\+00 to .* cannot be made now\. public\.events__2026_04 cannot be created: the name belongs to a view\. Rename /,
      ],
      [
        '2026-05-01T00:00:00Z',
        /^The partition of 2026-05-01 00:00:00\+00 to .* is partly covered by public\.half /,
      ],
    ] as const
    for (const [at, message] of reasons) {
      const result = await service.ensurePartition(config, at, { now })
      expect(result).toMatchObject({ success: false, operations: [] })
      expect(result.issues.map(({ message: said }) => said)).toEqual([expect.stringMatching(message)])
    }
  })

  it('does not count a partition whose detach is pending', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    await mark(database, { table: 'events__2026_03', bound: undefined })
    await leavePending(database, { table: 'events__2026_03' })
    const { service } = createPartsmith({ pool: database.pool })
    const result = await service.ensurePartition(config, now, { now })
    expect(result.success).toBe(false)
    expect(result.issues[0]?.message).toMatch(
      /is not there and cannot be made now\. The detach of public\.events__2026_03 was begun and not finished/,
    )
  })

  it('refuses a moment without a zone', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    const { service } = createPartsmith({ pool: database.pool })
    await expect(service.ensurePartition(config, '2026-05-01 00:00:00', { now })).rejects.toThrow(
      /names no instant/,
    )
  })
})
