import { setTimeout as sleep } from 'node:timers/promises'

import type { PoolClient } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { fromPg } from '../../src/run/clients/pg.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'

const now = '2026-03-15T12:00:00Z'
const config = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const months = `
  CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`

describeEachServer('neighbours with partitions', (major) => {
  it('tell who is in the way of one of them, before and after', async () => {
    await using database = await createDatabase(major)
    await database.sql(`
      CREATE TABLE tenants (id bigint PRIMARY KEY) PARTITION BY HASH (id);
      CREATE TABLE tenants0 PARTITION OF tenants FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY HASH (id);
      CREATE TABLE tenants0_0 PARTITION OF tenants0 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
      CREATE TABLE events (id bigint, at timestamptz NOT NULL, tenant bigint REFERENCES tenants) PARTITION BY RANGE (at);
      ${months}`)
    const writer = await begun(database, 'LOCK TABLE ONLY tenants0_0 IN ROW EXCLUSIVE MODE')
    const options = { ...config, createAheadCount: 2 }
    const partsmith = createPartsmith({ pool: database.pool, lockTimeoutMs: 10, giveUpAfterMs: 100 })
    const holder = { pid: writer.pid, mode: 'ROW EXCLUSIVE', relation: { name: 'tenants0_0' } }

    const [found] = await partsmith.service.blockersOf([await partsmith.plan(options, { now })])
    expect(found?.operations).toMatchObject([{ blockers: [holder] }])
    const { issues } = await partsmith.maintainer.runMaintenanceSafe(options, { now })
    expect(issues.map(({ message }) => message).join()).toContain(`pid ${writer.pid} (`)
    await writer.client.query('COMMIT')
    expect(await partsmith.maintain(options, { now })).toMatchObject({ createdCount: 1 })
  })

  it('that refer to it are not waited for with it in hand: who empties and fills one of them is not in a deadlock', async () => {
    await using database = await createDatabase(major)
    await database.sql(`
      CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); ${months}
      INSERT INTO events VALUES (1, '2026-03-10 00:00+00');
      CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events) PARTITION BY HASH (id);
      CREATE TABLE notes0 PARTITION OF notes FOR VALUES WITH (MODULUS 1, REMAINDER 0);`)
    const options = { ...config, createAheadCount: 1, retentionCount: 1 }
    const writer = await begun(database, 'SELECT')
    const seen: string[] = []
    // Not before: the run reads the table for rows that refer to what expired.
    const client = observedClient(fromPg(database.pool), {
      beforeSending: async ({ text }) => {
        if (seen.length > 0 || !/^LOCK TABLE .*"notes"/m.test(text)) return
        seen.push(text)
        await writer.client.query('TRUNCATE notes0')
      },
    })
    const partsmith = createPartsmith({ pool: client, lockTimeoutMs: 900 })

    const maintained = partsmith.maintain(options, { now })
    while (seen.length === 0) await sleep(1)
    // The run tries for as long as 720 ms, and lets go of everything.
    await writer.client.query(`SET LOCAL deadlock_timeout = '100ms'`)
    await writer.client.query(`INSERT INTO notes0 VALUES (1, '2026-03-10 00:00+00')`)
    await writer.client.query('COMMIT')
    expect(await maintained).toMatchObject({ success: true, detachedCount: 1 })
  })
})

/** A transaction that has run the statement and stays open. */
async function begun(
  { pool }: TestDatabase,
  statement: string,
): Promise<{ readonly client: PoolClient; readonly pid: number }> {
  const client = await pool.connect()
  onTestFinished(() => {
    client.release(true)
  })
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await client.query('BEGIN')
  await client.query(statement)
  return { client, pid: rows[0]?.pid ?? 0 }
}
