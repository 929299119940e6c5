import { Pool } from 'pg'

// A table with partitions that were made by hand: one of 14 months ago, and one of this month.
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_cli CASCADE;
  CREATE SCHEMA example_cli;
  CREATE TABLE example_cli.events (id bigint, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  SET TimeZone = 'UTC';
  DO $$
  DECLARE
    month timestamptz;
  BEGIN
    FOREACH month IN ARRAY ARRAY[date_trunc('month', now()) - interval '14 months', date_trunc('month', now())] LOOP
      EXECUTE format('CREATE TABLE example_cli.%I PARTITION OF example_cli.events FOR VALUES FROM (%L) TO (%L)',
                     to_char(month, '"events__"YYYY_MM'), month, month + interval '1 month');
    END LOOP;
  END $$;`)
await pool.end()
