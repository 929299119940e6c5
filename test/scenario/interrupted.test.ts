import { expect, it } from 'vitest'
import { createPartsmith } from '../../src/index.ts'
import { attachedTo, converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { attachedMarch, attachedMonth, events, march, month, monthly, now } from '../support/events-table.ts'
import { commentOf, leavePending, mark } from '../support/marked-tables.ts'

const february = month('2026-02')
const febBound = `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`
const aprilBound = `FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')`

describeEachServer('a detach that was begun and not finished', (major) => {
  it('is finished first, and what follows from it is done in the same run', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february} ${month('2026-01')}`)
    await mark(database, { table: 'events__2026_02', bound: febBound })
    await leavePending(database, { table: 'events__2026_02' })
    const { plan } = await converges(database, {
      config: { ...monthly, createAheadCount: 2, retentionCount: 1 },
      now,
      operations: ['finalize public.events__2026_02', 'create public.events__2026_04'],
      findings: ['detach-pending'],
      thenOperations: [
        'detach public.events__2026_01',
        'drop public.events__2026_02',
        'drop public.events__2026_01',
      ],
      thenFindings: [],
    })
    expect(plan.operations[0]?.locks).toContainEqual(
      expect.objectContaining({
        relation: { schema: 'public', name: 'events' },
        mode: 'SHARE UPDATE EXCLUSIVE',
      }),
    )
  })

  it('is finished and planned again under one lock by maintain', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february} ${month('2026-01')}`)
    await mark(database, { table: 'events__2026_02', bound: febBound })
    await leavePending(database, { table: 'events__2026_02' })
    let acquired = 0
    const partsmith = createPartsmith({ pool: database.pool })
    const { locks } = partsmith
    const counted = createPartsmith({
      pool: database.pool,
      locks: {
        acquireLock: (table, options) => {
          acquired += 1
          return locks.acquireLock(table, options)
        },
        isLocked: (table) => locks.isLocked(table),
      },
    })
    const result = await counted.maintain({ ...monthly, retentionCount: 1 }, { now })
    expect(result).toMatchObject({ success: true, finalizedCount: 1, detachedCount: 1, droppedCount: 2 })
    expect(acquired).toBe(1)
    expect(await attachedTo(database, monthly)).toEqual([attachedMarch])
  })

  it('is finished and attached again when its period is wanted', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february} COMMENT ON TABLE events__2026_02 IS 'mine';`)
    await mark(database, { table: 'events__2026_02', bound: febBound })
    await leavePending(database, { table: 'events__2026_02' })
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['finalize public.events__2026_02'],
      findings: ['detach-pending'],
      thenOperations: ['attach public.events__2026_02'],
      thenFindings: [],
    })
    expect(await attachedTo(database, monthly)).toEqual([attachedMonth('2026-02'), attachedMarch])
    expect(await commentOf(database, 'events__2026_02')).toBe('mine')
  })

  it('by somebody else is finished, and the table then left alone', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february}`)
    await leavePending(database, { table: 'events__2026_02' })
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['finalize public.events__2026_02'],
      findings: ['detach-pending-unmarked'],
      standalone: ['events__2026_02'],
      thenFindings: [],
    })
  })

  it('by somebody else, of a period that is wanted, leaves a name that is taken', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    await leavePending(database, { table: 'events__2026_03' })
    const { plan } = await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['finalize public.events__2026_03'],
      findings: ['detach-pending-unmarked'],
      thenFindings: ['inserts-fail', 'name-taken'],
    })
    expect(plan.findings[0]?.message).toContain(
      'its rows are not found through public.events, and inserts for its range fail',
    )
  })

  it('is finished beside a DEFAULT that was added meanwhile', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february}`)
    await mark(database, { table: 'events__2026_02', bound: febBound })
    await leavePending(database, { table: 'events__2026_02' })
    await database.sql('CREATE TABLE rest PARTITION OF events DEFAULT')
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['finalize public.events__2026_02'],
      findings: ['detach-pending'],
      thenOperations: ['drop public.events__2026_02'],
    })
  })

  it('that the server will not finish does not keep the partitions of the future from being made', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february}`)
    await mark(database, { table: 'events__2026_02', bound: febBound })
    await leavePending(database, { table: 'events__2026_02' })
    // A reader that holds a snapshot stands in its way.
    const blocker = await database.pool.connect()
    try {
      await blocker.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1')
      const { service } = createPartsmith({ pool: database.pool, statementTimeoutMs: 4_000 })
      const result = await service.run({ ...monthly, createAheadCount: 2, retentionCount: 1 }, { now })
      expect(result.result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
        'finalize public.events__2026_02: failed',
        'create public.events__2026_04: done',
      ])
      expect(result.result).toMatchObject({
        success: false,
        issues: [{ step: 'finalize', code: expect.stringMatching(/^(lock|statement)-timeout$/) }],
      })
    } finally {
      await blocker.query('ROLLBACK')
      blocker.release()
    }
  })
})

describeEachServer('a table that was built and never attached', (major) => {
  const given = `${events} ${march} CREATE TABLE events__2026_04 (LIKE events INCLUDING ALL);`
  const config = { ...monthly, createAheadCount: 2 }

  it('is dropped and built again when it is empty', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    await mark(database, { table: 'events__2026_04', kind: 'building', bound: aprilBound })
    const { plan } = await converges(database, {
      config,
      now,
      operations: ['drop public.events__2026_04', 'create public.events__2026_04'],
      attached: [attachedMarch, attachedMonth('2026-04')],
    })
    expect(plan.operations[0]).toMatchObject({ hazards: [], guard: { marker: 'building' } })
  })

  it('is dropped without the leave that dropping data needs', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    await mark(database, { table: 'events__2026_04', kind: 'building', bound: aprilBound })
    const result = await createPartsmith({ pool: database.pool }).maintain(config, {
      now,
      allowDestructive: false,
    })
    expect(result).toMatchObject({ success: true, createdCount: 1, droppedCount: 1, withheldCount: 0 })
  })

  it('is reported and kept when it holds rows, and the period is not made', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${given} INSERT INTO events__2026_04 VALUES (1, '2026-04-02 00:00:00+00');`)
    await mark(database, { table: 'events__2026_04', kind: 'building', bound: aprilBound })
    const { plan } = await converges(database, {
      config,
      now,
      operations: [],
      findings: ['half-built-with-rows', 'name-taken'],
      standalone: ['events__2026_04'],
    })
    expect(plan.findings.map(({ next }) => next).join(' ')).toContain('Move its rows through public.events')
  })

  it('is not dropped when a row came into it after it was seen to be empty', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    await mark(database, { table: 'events__2026_04', kind: 'building', bound: aprilBound })
    const { repo, metadata, plan } = createPartsmith({ pool: database.pool })
    const { operations } = await plan(config, { now })
    const { server } = await metadata.readTree({ schema: 'public', name: 'events' })
    await database.sql(`INSERT INTO events__2026_04 VALUES (1, '2026-04-02 00:00:00+00')`)
    const drops = operations.filter((operation) => operation.kind === 'drop')
    expect(drops).toHaveLength(1)
    for (const drop of drops) {
      await expect(repo.dropPartition(drop, { server })).rejects.toThrow(
        /public\.events__2026_04 holds rows\. Nothing was changed; plan again\.$/,
      )
    }
    expect(await database.sql('SELECT count(*)::int AS n FROM events__2026_04')).toEqual([{ n: 1 }])
  })

  it('of a copied marker is not ours', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    await mark(database, { table: 'events__2026_04', kind: 'building', bound: aprilBound, but: { oid: '1' } })
    await converges(database, {
      config,
      now,
      operations: [],
      findings: ['marker-not-trusted', 'name-taken'],
      standalone: ['events__2026_04'],
    })
  })

  it('is put right while a detach is pending, too', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${given} ${february}`)
    await mark(database, { table: 'events__2026_04', kind: 'building', bound: aprilBound })
    await mark(database, { table: 'events__2026_02', bound: febBound })
    await leavePending(database, { table: 'events__2026_02' })
    await converges(database, {
      config: { ...config, retentionCount: 1 },
      now,
      operations: [
        'finalize public.events__2026_02',
        'drop public.events__2026_04',
        'create public.events__2026_04',
      ],
      findings: ['detach-pending'],
      thenOperations: ['drop public.events__2026_02'],
    })
  })
})
