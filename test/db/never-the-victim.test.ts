import { setTimeout as sleep } from 'node:timers/promises'

import type { Client } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import { createPartsmith, fromPg } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { leavePending } from '../support/marked-tables.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'

const now = '2026-03-15T12:00:00Z'
const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const march = `CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`
const withDefault = `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at); ${march}
  CREATE TABLE rest PARTITION OF events DEFAULT; INSERT INTO rest VALUES (1, '2001-01-01');
  CREATE TABLE accounts (id int PRIMARY KEY, n int); INSERT INTO accounts VALUES (1, 0);`

describeEachServer('clients that look for a deadlock of their own', (major) => {
  it('while a client waits for one who waits for the run, neither is ended', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const [poster, checker] = [await session(database), await session(database)]
    await poster.query('BEGIN; UPDATE accounts SET n = n + 1')
    await checker.query(`SET deadlock_timeout = '250ms'; BEGIN; SELECT count(*) FROM rest`)
    const clients: Promise<unknown>[] = []
    const client = observedClient(fromPg(database.pool), {
      beforeSending: ({ text }) => {
        // Of the transaction that attaches; the one before it only reads the parent.
        if (clients.length > 0 || !/^LOCK TABLE [^;]*"events"[^;]* ACCESS EXCLUSIVE/m.test(text)) return
        // The checker has DEFAULT and waits for the poster, who comes to wait for the parent a moment later.
        clients.push(checker.query('UPDATE accounts SET n = n + 1; COMMIT'))
        clients.push(
          sleep(50).then(() => poster.query(`INSERT INTO events VALUES (1, '2001-01-01'); COMMIT`)),
        )
      },
    })
    const { maintainer } = createPartsmith({ pool: client, lockTimeoutMs: 700 })
    const result = await maintainer.runMaintenanceSafe({ ...monthly, createAheadCount: 2 }, { now })
    expect(clients).toHaveLength(2)
    await Promise.all(clients)
    expect(result).toMatchObject({ success: true, createdCount: 1 })
  })

  it('none is ended who takes DEFAULT before the parent, and the work gets done beside them', async () => {
    await using database = await createDatabase(major)
    await database.sql(withDefault)
    const writer = endlessly(await session(database), `SET deadlock_timeout = '10ms'`, [
      `BEGIN; UPDATE rest SET id = 2`,
      `SELECT pg_sleep(0.012)`,
      `SELECT count(*) FROM events; COMMIT`,
    ])
    const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 60_000 })
    const result = await maintainer.runMaintenanceSafe({ ...monthly, createAheadCount: 13 }, { now })
    const errors = await writer.stop()
    expect(errors).toEqual([])
    expect(result).toMatchObject({ success: true, createdCount: 12 })
  })

  it('none is ended who inserts into a table that the parent refers to, and the work gets done beside four of them', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE devices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
      CREATE TABLE events (id int, at timestamptz NOT NULL, device bigint REFERENCES devices) PARTITION BY RANGE (at); ${march}
      CREATE TABLE rest PARTITION OF events DEFAULT;`)
    const writers = await Promise.all(
      Array.from({ length: 4 }, async () =>
        endlessly(await session(database), `SET deadlock_timeout = '10ms'`, [
          'BEGIN; INSERT INTO devices DEFAULT VALUES',
          `INSERT INTO events SELECT 1, '2001-01-01', max(id) FROM devices; COMMIT`,
        ]),
      ),
    )
    const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 60_000 })
    const result = await maintainer.runMaintenanceSafe({ ...monthly, createAheadCount: 7 }, { now })
    const errors = await Promise.all(writers.map((writer) => writer.stop()))
    expect(errors.flat()).toEqual([])
    expect(result).toMatchObject({ success: true, createdCount: 6 })
  })

  it('a finalize that waits for an older snapshot gives way at once to who waits for a lock that it has', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE elsewhere (id int);
      CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at); ${march}
      CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`)
    await leavePending(database, { table: 'old' })
    const holder = await session(database)
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM elsewhere')
    const reader = await session(database)
    const { maintainer } = createPartsmith({ pool: database.pool, lockTimeoutMs: 700, giveUpAfterMs: 60_000 })
    const running = maintainer.runMaintenanceSafe(
      { ...monthly, createAheadCount: 1, retentionCount: 1 },
      { now },
    )
    const waits = `SELECT FROM pg_locks w JOIN pg_stat_activity a USING (pid)
      WHERE NOT w.granted AND w.locktype = 'virtualxid' AND a.query LIKE '%FINALIZE%' AND a.datname = current_database()`
    while ((await database.sql(waits)).length === 0);
    const started = performance.now()
    await reader.query('SELECT count(*) FROM old')
    expect(performance.now() - started).toBeLessThan(400)
    await holder.query('COMMIT')
    expect(await running).toMatchObject({ finalizedCount: 1 })
  })
})

async function session(database: TestDatabase): Promise<Pick<Client, 'query'>> {
  const client = await ownPool(database, { max: 1 }).connect()
  onTestFinished(() => {
    client.release(true)
  })
  return client
}

/** Runs the statements in a loop until it is stopped, and tells the errors. */
function endlessly(
  client: Pick<Client, 'query'>,
  first: string,
  statements: readonly string[],
): { stop(): Promise<readonly string[]> } {
  const errors: string[] = []
  const state = { over: false }
  const running = (async () => {
    await client.query(first)
    while (!state.over) {
      try {
        for (const statement of statements) await client.query(statement)
      } catch (error) {
        errors.push(String(error))
        await client.query('ROLLBACK')
      }
    }
  })()
  return {
    stop: async () => {
      state.over = true
      await running
      return errors
    },
  }
}
