import { setImmediate as immediate } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1, dropAfter: '30 days' } as const
const tables = `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
  INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 10) i;`

describeEachServer('a concurrent detach that waits for a reader of the partition itself', (major) => {
  it('lets those through who come after the reader, and is finished when the reader is gone', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const reader = await reading(database)
    const running = createPartsmith({ pool: database.pool }).maintainer.runMaintenanceSafe(config, { now })
    await untilItWaits(database)
    // Without a limit it would wait as long as the reader does, and this with it.
    expect(await database.sql('SELECT count(*)::int AS n FROM events__2026_02')).toEqual([{ n: 10 }])
    await reader.query('COMMIT')
    reader.release()
    expect(await running).toMatchObject({ success: true, detachedCount: 1 })
    expect(await database.sql('SELECT FROM pg_inherits WHERE inhdetachpending')).toEqual([])
  })

  it('does not make the reader the victim of a deadlock', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const reader = await reading(database)
    const running = createPartsmith({ pool: database.pool }).maintainer.runMaintenanceSafe(config, { now })
    await untilItWaits(database)
    await reader.query('LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE')
    await reader.query('COMMIT')
    reader.release()
    expect(await running).toMatchObject({ success: true, detachedCount: 1 })
  })
})

describeEachServer('a concurrent detach that waits for a reader of the parent', (major) => {
  it('says for how long and for whom, without having given way', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const reader = await database.pool.connect()
    await reader.query(`BEGIN; SET LOCAL application_name = 'dashboard'; SELECT count(*) FROM events`)
    const { rows } = await reader.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const logger = recordingLogger()
    const { maintainer } = createPartsmith({ pool: database.pool, logger })
    const running = maintainer.runMaintenanceSafe(config, { now })
    while (!logger.lines('info').some((line) => line.includes(': waits: pid'))) await immediate()
    await reader.query('COMMIT')
    reader.release()
    const { success, operations } = await running
    expect(success).toBe(true)
    expect(operations).toMatchObject([
      {
        kind: 'detach',
        status: 'done',
        waited: { gaveWayCount: 0, inTheWay: [{ pid: rows[0]?.pid, application: 'dashboard' }] },
      },
    ])
    const [detach] = operations
    expect(detach?.waited?.durationMs).toBeGreaterThanOrEqual(200)
    expect(detach?.waited?.durationMs).toBeLessThanOrEqual(detach?.durationMs ?? 0)
    expect(logger.lines('info').filter((line) => line.includes(': waits: pid'))).toEqual([
      expect.stringContaining(`detach public.events__2026_02: waits: pid ${rows[0]?.pid} (dashboard`),
    ])
  })

  it('says nothing of a wait where nobody was in the way, and that it was begun where it was cut short', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const reader = await database.pool.connect()
    await reader.query('BEGIN; SELECT count(*) FROM events')
    const stop = new AbortController()
    const { maintainer } = createPartsmith({ pool: database.pool })
    const running = maintainer.runMaintenanceSafe(config, { now, signal: stop.signal })
    while ((await database.sql('SELECT FROM pg_inherits WHERE inhdetachpending')).length === 0);
    stop.abort()
    expect((await running).operations).toMatchObject([{ kind: 'detach', status: 'failed', begun: true }])
    await reader.query('COMMIT')
    reader.release()
    const { operations } = await maintainer.runMaintenanceSafe(config, { now })
    expect(operations).toMatchObject([{ kind: 'finalize', status: 'done' }])
    expect(operations[0]).not.toHaveProperty('waited')
    expect(operations[0]).not.toHaveProperty('begun')
  })
})

describeEachServer('a detach of a partition whose rights are just being changed', (major) => {
  it.each(['auto', 'blocking'] as const)(
    '(%s) gives up in the end, and says what is true',
    async (detachMode) => {
      await using database = await createDatabase(major)
      await database.sql(tables)
      const granting = await database.pool.connect()
      await granting.query('BEGIN; GRANT SELECT ON events__2026_02 TO pg_monitor')
      const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 300 })
      const result = await maintainer.runMaintenanceSafe({ ...config, detachMode }, { now })
      expect(result.operations).toMatchObject([{ kind: 'detach', status: 'failed' }])
      expect(result.issues[0]?.message).toMatch(
        /cannot detach public\.events__2026_02: .* so it gave way.* Nothing was detached; the next run tries again\./,
      )
      await granting.query('COMMIT')
      granting.release()
      expect(await maintainer.runMaintenanceSafe(config, { now })).toMatchObject({
        success: true,
        detachedCount: 1,
      })
    },
  )

  it.each(['auto', 'blocking'] as const)('(%s) is tried again when they are changed', async (detachMode) => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const granting = await database.pool.connect()
    await granting.query('BEGIN; GRANT SELECT ON events__2026_02 TO pg_monitor')
    const logger = recordingLogger()
    const { maintainer } = createPartsmith({ pool: database.pool, logger })
    const running = maintainer.runMaintenanceSafe({ ...config, detachMode }, { now })
    // A blocking one waits for a millisecond only, with its locks in hand.
    if (detachMode === 'auto') await untilItWaits(database, 'transactionid')
    else while (!logger.lines('info').some((line) => line.includes('gave way'))) await immediate()
    await granting.query('COMMIT')
    granting.release()
    expect(await running).toMatchObject({ success: true, detachedCount: 1, issues: [] })
  })
})

async function reading(database: TestDatabase): Promise<PoolClient> {
  const reader = await database.pool.connect()
  await reader.query('BEGIN')
  await reader.query('SELECT FROM events__2026_02')
  return reader
}

async function untilItWaits(database: TestDatabase, lock = 'relation'): Promise<void> {
  const waits = `SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND l.locktype = '${lock}' AND coalesce(l.relation, 'events__2026_02'::regclass) = 'events__2026_02'::regclass
      AND a.datname = current_database()`
  while ((await database.sql(waits)).length === 0);
}
