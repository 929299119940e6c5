import { PGlite } from '@electric-sql/pglite'
import { createPartsmith, fromPglite } from 'pg-partsmith'

const db = await PGlite.create()
await db.exec('CREATE TABLE events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)')

const partsmith = createPartsmith({ pool: fromPglite(db) })
const config = {
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'month',
  retentionCount: 1,
} as const

await partsmith.maintain(config, { now: '2026-01-15T00:00:00Z' })
const result = await partsmith.maintain(config, { now: '2026-02-15T00:00:00Z' })
for (const { id, status } of result.operations) console.log(`${id}: ${status}`)
await db.close()
