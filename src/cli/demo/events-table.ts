import type { Pool } from 'pg'
import { TablePartitionConfig } from '../../index.ts'

/** What the demonstration wants of its table: the year that is kept, and three months that are there. */
export const demoSettings = { createAheadCount: 3, retentionCount: 12 } as const

export const monthsOfRows = 18
const rowsPerMonth = 20_000
const strayRows = 1_204

export function demoConfig(schema: string): TablePartitionConfig {
  return new TablePartitionConfig({
    schema,
    tableName: 'events',
    partitionColumn: 'created_at',
    granularity: 'month',
    ...demoSettings,
  })
}

/**
 * Makes the table `events` in a schema of its own: 18 months of rows up to now, and rows of the coming month, for which
 * nobody made a partition, in DEFAULT. `schema` is a name that needs no quotes.
 */
export async function makeEvents(
  pool: Pool,
  { schema, signal }: { readonly schema: string; readonly signal: AbortSignal },
): Promise<void> {
  await pool.query(`CREATE SCHEMA ${schema}`)
  await pool.query(
    `CREATE TABLE ${schema}.events (
       id bigint GENERATED ALWAYS AS IDENTITY,
       created_at timestamptz NOT NULL,
       kind text NOT NULL,
       amount numeric(10, 2),
       PRIMARY KEY (id, created_at)
     ) PARTITION BY RANGE (created_at)`,
  )
  await pool.query(`CREATE TABLE ${schema}.events__default PARTITION OF ${schema}.events DEFAULT`)
  // One statement for each month, so that Ctrl+C has an effect in between.
  for (let back = monthsOfRows - 1; back >= 0; back--) {
    signal.throwIfAborted()
    await pool.query(monthStatement(schema, back))
    await pool.query(
      `INSERT INTO ${schema}.events (created_at, kind, amount)
       SELECT at, (ARRAY['view', 'click', 'order'])[1 + n % 3], n % 100
       FROM (SELECT n, (${monthStart(back)} + n * (${monthStart(back - 1)} - ${monthStart(back)}) / ${rowsPerMonth})
                       AT TIME ZONE 'UTC' AS at
             FROM generate_series(0, ${rowsPerMonth - 1}) AS n) AS row
       WHERE at <= now()`,
    )
  }
  signal.throwIfAborted()
  await pool.query(
    `INSERT INTO ${schema}.events (created_at, kind, amount)
     SELECT (${monthStart(-1)} + n * interval '11 minutes') AT TIME ZONE 'UTC', 'order', n
     FROM generate_series(1, ${strayRows}) AS n`,
  )
  // Sizes and row counts in the catalog are as of the last ANALYZE.
  await pool.query(`ANALYZE ${schema}.events`)
}

/** How many rows are found through the table. */
export async function countEvents(pool: Pool, schema: string): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(`SELECT count(*)::text AS count FROM ${schema}.events`)
  return Number(rows[0]?.count)
}

/** How many rows lie in months that are not kept. */
export async function countExpired(pool: Pool, schema: string): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(
    `SELECT count(*)::text AS count FROM ${schema}.events
     WHERE created_at < ${monthStart(demoSettings.retentionCount - 1)} AT TIME ZONE 'UTC'`,
  )
  return Number(rows[0]?.count)
}

/**
 * The wall clock of UTC, `back` months before the current one. Days that are added to a timestamptz are days of the
 * session's zone, with 23 and 25 hours, so it becomes one only at the end.
 */
function monthStart(back: number): string {
  return `(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' * ${back})`
}

/** The bounds of a partition are constants, so the statement is put together on the server; DateStyle plays no part. */
function monthStatement(schema: string, back: number): string {
  return `DO $$ BEGIN EXECUTE format(
    'CREATE TABLE %I.%I PARTITION OF ${schema}.events FOR VALUES FROM (%L) TO (%L)',
    '${schema}',
    'events__' || to_char(${monthStart(back)}, 'YYYY_MM'),
    to_char(${monthStart(back)}, 'YYYY-MM-DD"T00:00:00Z"'),
    to_char(${monthStart(back - 1)}, 'YYYY-MM-DD"T00:00:00Z"')
  ); END $$`
}
