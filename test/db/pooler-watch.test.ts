import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it, onTestFinished } from 'vitest'

import type { MaintenanceResult } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase } from '../support/database.ts'
import { monthly, now } from '../support/events-table.ts'
import { ownPool } from '../support/own-pool.ts'
import type { TestPooler } from '../support/pgbouncer.ts'
import { describeWithPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { slowAlter } from '../support/slow-alter.ts'

const config = { ...monthly, createAheadCount: 2 }
const lockTimeoutMs = 100
/** What a busy machine adds, and what the server takes to look and to cancel. */
const slack = 400

/** What the run does with its locks in hand takes far longer than anybody may wait. */
const slowStep = `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE rest PARTITION OF events DEFAULT; INSERT INTO rest VALUES (1, '2030-01-01');
  ${slowAlter(1_200)}`

describeWithPgBouncer('a step that takes long, through PgBouncer', (major) => {
  it.each([
    { poolSize: 2, busy: 0 },
    { poolSize: 6, busy: 4 },
  ])(
    'is not begun where $poolSize server connections and $busy taken leave none to watch from',
    async ({ poolSize, busy }) => {
      await using database = await createDatabase(major)
      await database.sql(slowStep)
      const pooler = await startPgBouncer(database, { poolSize })
      await takeConnections(pooler, busy)
      const reader = readAgain(database)
      const result = await run(pooler, { giveUpAfterMs: 2_500 })
      expect(await reader()).toBeLessThan(lockTimeoutMs + slack)
      expect(result).toMatchObject({ createdCount: 0, operations: [{ status: 'failed' }] })
      expect(result.issues[0]?.message).toMatch(
        /it needs a connection beside it to watch who waits behind it, and there was none \(no free connection to the server within 1000 ms\), so it was not begun, [23] times\. Nothing was changed; the next run tries again\. Each table that is worked on takes 3 connections to the server at a time: one for the lock, one for the change, one for the watch\./,
      )
    },
    30_000,
  )

  it('lets readers through in time with no connection to spare, while others queue for one', async () => {
    await using database = await createDatabase(major)
    await database.sql(slowStep)
    const pooler = await startPgBouncer(database, { poolSize: 3 })
    const reader = readAgain(database)
    const running = run(pooler, {})
    // From when the three are the run's, whoever cancels through the pooler stands behind these.
    while ((await openTransactions(database)) < 3);
    const queued = Promise.all(
      [1, 2, 3].map(() =>
        pooler
          .pool()
          .query('SELECT pg_sleep(1)')
          .then(() => undefined),
      ),
    )
    const result = await running
    await queued
    expect(await reader()).toBeLessThan(lockTimeoutMs + slack)
    expect(result.issues[0]?.message).toMatch(/waited behind it, for up to \d+ ms, so it gave way/)
  }, 60_000)
})

async function run(
  pooler: TestPooler,
  { giveUpAfterMs = 15_000 }: { readonly giveUpAfterMs?: number },
): Promise<MaintenanceResult> {
  const partsmith = createPartsmith({ pool: pooler.pool(), lockTimeoutMs, giveUpAfterMs })
  return partsmith.maintainer.runMaintenanceSafe(config, { now })
}

/** Clients that have a transaction open for as long as the test lasts. */
async function takeConnections(pooler: TestPooler, count: number): Promise<void> {
  const pool = pooler.pool({ max: Math.max(1, count) })
  for (let taken = 0; taken < count; taken += 1) {
    const client = await pool.connect()
    await client.query('BEGIN')
    onTestFinished(() => {
      client.release(true)
    })
  }
}

async function openTransactions(database: TestDatabase): Promise<number> {
  const rows = await database.sql(`SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`)
  return rows.length
}

/** Reads the table on the server itself, again and again; ending it gives the longest that one took. */
function readAgain(database: TestDatabase): () => Promise<number> {
  const seen = { over: false, longestMs: 0 }
  const pool = ownPool(database, { max: 1 })
  onTestFinished(() => {
    seen.over = true
  })
  const going = (async () => {
    await pool.query('SELECT 1')
    while (!seen.over) {
      const started = performance.now()
      await pool.query('SELECT count(*) FROM events')
      seen.longestMs = Math.max(seen.longestMs, performance.now() - started)
      await sleep(3)
    }
  })()
  return async () => {
    seen.over = true
    await going
    return seen.longestMs
  }
}
