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
       FROM (SELECT n, ${monthStart(back)} + n * (${monthEnd(back)} - ${monthStart(back)}) / ${rowsPerMonth} AS at
             FROM generate_series(0, ${rowsPerMonth - 1}) AS n) AS row
       WHERE at <= now()`,
    )
  }
  signal.throwIfAborted()
  await pool.query(
    `INSERT INTO ${schema}.events (created_at, kind, amount)
     SELECT ${monthEnd(0)} + n * interval '11 minutes', 'order', n
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
     WHERE created_at < ${monthStart(demoSettings.retentionCount - 1)}`,
  )
  return Number(rows[0]?.count)
}

/** In UTC, whatever the session's zone is; `back` months before the current one. */
function monthStart(back: number): string {
  return `(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '${back} months') AT TIME ZONE 'UTC'`
}

function monthEnd(back: number): string {
  return monthStart(back - 1)
}

/** The bounds of a partition are constants, so the statement is put together on the server. */
function monthStatement(schema: string, back: number): string {
  return `DO $$ BEGIN EXECUTE format(
    'CREATE TABLE %I.%I PARTITION OF ${schema}.events FOR VALUES FROM (%L) TO (%L)',
    '${schema}',
    'events__' || to_char(${monthStart(back)} AT TIME ZONE 'UTC', 'YYYY_MM'),
    ${monthStart(back)},
    ${monthEnd(back)}
  ); END $$`
}
