import { Pool } from 'pg'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_hooks CASCADE;
  CREATE SCHEMA example_hooks;
  CREATE TABLE example_hooks.events (id bigint, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  CREATE TABLE example_hooks.events__2025_01 PARTITION OF example_hooks.events
    FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00');
  INSERT INTO example_hooks.events SELECT n, '2025-01-15 00:00:00+00' FROM generate_series(1, 3) n;`)
await pool.end()
