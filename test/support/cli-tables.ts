/** Tables and configurations for the tests of the command line, relative to the servers' clock. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PartsmithConfig } from '../../src/config.ts'
import { workingDirectory } from './cli.ts'
import type { TestDatabase } from './database.ts'

export interface MonthlyTable {
  readonly name?: string
  /** Months before the current one that have a partition. */
  readonly past?: number
  /** Whether the current month and the next two have one. */
  readonly ahead?: boolean
  readonly withDefault?: boolean
}

/** Makes `app.<name>` partitioned by month of `created_at` in UTC; partitions are called `<name>_old_<n>` and so on. */
export async function makeMonthly(
  database: TestDatabase,
  { name = 'events', past = 3, ahead = false, withDefault = false }: MonthlyTable = {},
): Promise<void> {
  await database.sql(`
    CREATE SCHEMA IF NOT EXISTS app;
    CREATE TABLE app.${name} (id bigint, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
    ${withDefault ? `CREATE TABLE app.${name}_rest PARTITION OF app.${name} DEFAULT;` : ''}
    SET TimeZone = 'UTC';
    DO $$ BEGIN
      FOR n IN ${-past}..${ahead ? 2 : -1} LOOP
        EXECUTE format('CREATE TABLE app.%I PARTITION OF app.${name} FOR VALUES FROM (%L) TO (%L)',
          CASE WHEN n < 0 THEN '${name}_old_' || -n ELSE '${name}_new_' || n END,
          date_trunc('month', now()) + make_interval(months => n),
          date_trunc('month', now()) + make_interval(months => n + 1));
      END LOOP;
    END $$;
    RESET TimeZone;`)
}

/** The names of the attached partitions, sorted. */
export async function partitionsOf(database: TestDatabase, name = 'events'): Promise<readonly string[]> {
  const rows = await database.sql(
    `SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'app.${name}'::regclass ORDER BY 1`,
  )
  return rows.map((row) => String(row['name']))
}

export function monthly(
  name: string,
  more: Partial<PartsmithConfig['tables'][number]> = {},
): PartsmithConfig['tables'][number] {
  return { schema: 'app', tableName: name, partitionColumn: 'created_at', granularity: 'month', ...more }
}

/** A directory with `partsmith.config.json` in it, which names the database. */
export function directoryWith(database: { readonly url: string }, config: PartsmithConfig): string {
  const directory = workingDirectory()
  writeFileSync(
    join(directory, 'partsmith.config.json'),
    JSON.stringify({ connection: { url: database.url }, ...config }),
  )
  return directory
}
