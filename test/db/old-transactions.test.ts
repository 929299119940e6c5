import { setImmediate as immediate } from 'node:timers/promises'
import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { recordingLogger } from '../support/recording-logger.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1 } as const
const given = `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');`

describeEachServer('a concurrent detach', (major) => {
  it('is not begun behind a transaction that is old already, and says which', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    const client = await database.pool.connect()
    await client.query(`BEGIN; SET LOCAL application_name = 'the-report'; SELECT count(*) FROM events`)
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid, pg_sleep(0.3)')
    // What is old is measured by how long a statement may run.
    const partsmith = createPartsmith({ pool: database.pool, statementTimeoutMs: 300, giveUpAfterMs: 200 })
    const result = await partsmith.maintainer.runMaintenanceSafe(config, { now })
    expect(result.operations[0]).toMatchObject({ kind: 'detach', status: 'failed' })
    expect(result.issues[0]?.message).toMatch(
      new RegExp(
        `the rows of public\\.old would be out of sight for as long as pid ${rows[0]?.pid} \\(the-report, idle in transaction, transaction open for .*\\) holds ACCESS SHARE on public\\.(old|events), so it was not begun`,
      ),
    )
    // Said once, and with nothing begun there is nothing to finish.
    expect(result.issues[0]?.message.split(`pid ${rows[0]?.pid} `)).toHaveLength(2)
    expect(result.operations[0]).not.toHaveProperty('begun')
    expect(result.operations[0]?.waited?.gaveWayCount).toBeGreaterThan(0)
    expect(result.operations[0]?.waited?.inTheWay).toMatchObject([{ pid: rows[0]?.pid }])
    expect(await pending(database)).toBe(0)
    await client.query('COMMIT')
    client.release()
    expect(await partsmith.maintain(config, { now })).toMatchObject({ detachedCount: 1, droppedCount: 1 })
  })

  it('tries again for as long as there is time, and goes on when the transaction is over', async () => {
    await using database = await createDatabase(major)
    await database.sql(given)
    const client = await database.pool.connect()
    await client.query('BEGIN; SELECT count(*) FROM events')
    await client.query('SELECT pg_sleep(0.3)')
    const logger = recordingLogger()
    const options = { pool: database.pool, statementTimeoutMs: 300, giveUpAfterMs: 60_000, logger }
    const partsmith = createPartsmith(options)
    const running = partsmith.maintain(config, { now })
    await untilMarked(database)
    while (!logger.lines('info').some((line) => line.includes('gave way'))) await immediate()
    await client.query('COMMIT')
    client.release()
    const result = await running
    expect(result).toMatchObject({ success: true, detachedCount: 1, droppedCount: 1 })
    const [detach, drop] = result.operations
    expect(detach).toMatchObject({ kind: 'detach', status: 'done', waited: { inTheWay: [{ relation: {} }] } })
    expect(detach?.waited?.gaveWayCount).toBeGreaterThan(0)
    expect(detach?.waited?.durationMs).toBeLessThanOrEqual(detach?.durationMs ?? 0)
    expect(drop).not.toHaveProperty('waited')
    const said = logger.lines('info').filter((line) => line.includes('gave way'))
    expect(said).toEqual([
      expect.stringMatching(
        /^detach public\.old: gave way, and is tried again: pid \d+ .* holds ACCESS SHARE/,
      ),
    ])
  })
})

async function pending(database: TestDatabase): Promise<number> {
  return (await database.sql('SELECT FROM pg_inherits WHERE inhdetachpending')).length
}

async function untilMarked(database: TestDatabase): Promise<void> {
  for (;;) {
    const [row] = await database.sql(`SELECT obj_description('old'::regclass) AS comment`)
    if (row?.['comment'] !== null) return
  }
}
