import { Pool } from 'pg'

// The partition of 14 months ago.
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_review CASCADE;
  CREATE SCHEMA example_review;
  CREATE TABLE example_review.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  SET TimeZone = 'UTC';
  DO $$
  DECLARE month timestamptz := date_trunc('month', now()) - interval '14 months';
  BEGIN
    EXECUTE format('CREATE TABLE example_review.old PARTITION OF example_review.events FOR VALUES FROM (%L) TO (%L)',
                   month, month + interval '1 month');
  END $$;`)
await pool.end()
