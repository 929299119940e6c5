import { Pool } from 'pg'
import { createPartsmith } from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_default CASCADE;
  CREATE SCHEMA example_default;
  CREATE TABLE example_default.events (id bigint, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  CREATE TABLE example_default.rest PARTITION OF example_default.events DEFAULT;
  INSERT INTO example_default.events SELECT n, '2026-07-01 00:00:00+00'::timestamptz + n * interval '1 second'
  FROM generate_series(1, 500) n;`)

const count = async (table: string): Promise<number> => {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ONLY example_default.${table}`,
  )
  return rows[0]?.n ?? 0
}
console.log(`in DEFAULT before: ${await count('rest')}`)

const partsmith = createPartsmith({ pool })
const config = {
  schema: 'example_default',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'month',
  createAheadCount: 2,
} as const
const at = { now: '2026-06-15T12:00:00Z' }

// More rows than one short transaction may move: nothing is done for that month, and a finding says so.
const cautious = await partsmith.plan({ ...config, maxRowsFromDefault: 100 }, at)
for (const { code, message } of cautious.findings) console.log(`${code}: ${message}`)

const result = await partsmith.maintain(config, at)
for (const { id, status, rowsMoved = 0 } of result.operations)
  console.log(`${id}: ${status}, ${rowsMoved} rows moved`)
console.log(`in DEFAULT after: ${await count('rest')}, in July: ${await count('events__2026_07')}`)
await pool.end()
