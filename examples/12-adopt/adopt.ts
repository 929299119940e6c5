import { Pool } from 'pg'
import { createPartsmith } from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_adopt CASCADE;
  CREATE SCHEMA example_adopt;
  CREATE TABLE example_adopt.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  -- Made by hand years ago. The name does not matter, the bounds do.
  CREATE TABLE example_adopt."Summer 2025" PARTITION OF example_adopt.events
    FOR VALUES FROM ('2025-07-01 00:00:00+00') TO ('2025-08-01 00:00:00+00');
  -- Detached by hand: nothing says that it was a partition.
  CREATE TABLE example_adopt.events_old (created_at timestamptz NOT NULL);
  -- Detached by pg-partsmith for Python: its marker has two lines.
  CREATE TABLE example_adopt.events__2025_01 (created_at timestamptz NOT NULL);
  COMMENT ON TABLE example_adopt.events__2025_01 IS
    E'pg-partsmith:orphan-parent=example_adopt.events\\npg-partsmith:detached-at=2026-06-01T00:00:00+00:00';`)

const partsmith = createPartsmith({ pool })
const config = {
  schema: 'example_adopt',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 6,
  dropAfter: '7 days',
} as const
const show = async (now: string): Promise<void> => {
  const result = await partsmith.maintain(config, { now })
  console.log(`${now.slice(0, 10)}:`, result.operations.map(({ id }) => id).join(', ') || 'nothing')
}

await show('2026-06-10T00:00:00Z')
await partsmith.adoptPartition(config, 'events_old', { now: '2026-06-10T00:00:00Z' })
await show('2026-06-16T00:00:00Z')
await show('2026-06-18T00:00:00Z')
await pool.end()
