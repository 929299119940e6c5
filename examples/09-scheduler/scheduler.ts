import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'
import { createPartsmith, maintainPartitions } from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_scheduler CASCADE;
  CREATE SCHEMA example_scheduler;
  CREATE TABLE example_scheduler.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);`)

const { maintainer } = createPartsmith({ pool })
const config = {
  schema: 'example_scheduler',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'day',
  retentionCount: 30,
} as const

// An hour in a service; a moment here, so that the example ends soon.
const everyMs = 10
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

/** Runs now and then again and again, one run at a time, until the signal aborts. */
async function maintainUntil(signal: AbortSignal): Promise<void> {
  for (let run = 1; !signal.aborted; run++) {
    const result = await maintainPartitions({ maintainer, config, options: { signal } })
    if (result.success) console.log(`created ${result.createdCount}, dropped ${result.droppedCount}`)
    else console.error(result.error ?? result.issues)
    if (run === 2) process.kill(process.pid, 'SIGTERM') // what Kubernetes or Ctrl+C does
    // An abort ends the sleep early; that is no error.
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
  }
}

await maintainUntil(stop.signal)
await pool.end()
console.log('stopped')
