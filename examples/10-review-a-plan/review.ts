import { Pool } from 'pg'
import { createPartsmith, isDestructive, planFromJson, planToJson } from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_review CASCADE;
  CREATE SCHEMA example_review;
  CREATE TABLE example_review.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  CREATE TABLE example_review.old PARTITION OF example_review.events
    FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00');`)

const partsmith = createPartsmith({ pool })
const config = {
  schema: 'example_review',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 12,
  dropAfter: '7 days',
} as const
const at = { now: '2026-06-15T12:00:00Z' }

// A plan is data: save it, let somebody read it, carry it out later.
const saved = planToJson(await partsmith.plan(config, at))
const plan = planFromJson(saved)
for (const operation of plan.operations) {
  console.log(`${operation.id}${isDestructive(operation) ? ' (destructive)' : ''}: ${operation.reason.text}`)
  for (const { relation, mode } of operation.locks) console.log(`  locks ${relation.name}: ${mode}`)
}

// Meanwhile somebody creates the partition by hand: the plan does not hold any more.
await pool.query(`CREATE TABLE example_review.june PARTITION OF example_review.events
  FOR VALUES FROM ('2026-06-01 00:00:00+00') TO ('2026-07-01 00:00:00+00')`)
await partsmith.apply(config, plan, at).catch((error: unknown) => console.log(String(error)))

// So it is made again, and carried out.
const result = await partsmith.apply(config, await partsmith.plan(config, at), at)
for (const { id, status } of result.operations) console.log(`${id}: ${status}`)
await pool.end()
