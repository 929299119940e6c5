/** The tables of the benchmarks: daily partitions around today, made by plain SQL, for every tool the same. */

import type { Pool } from 'pg'

export interface DailyTable {
  readonly table: string
  /** Days before today that have a partition. */
  readonly behind: number
  /** Days from today on that have a partition, today included. */
  readonly ahead: number
  /** Whether there is a DEFAULT partition. */
  readonly fallback: boolean
  /** @default a primary key and one more index */
  readonly indexes?: boolean
}

/** What every tool is asked to keep: both counts include today. */
export interface TableWish {
  readonly table: string
  readonly ahead: number
  /** Absent: nothing expires. */
  readonly keep?: number
}

/** Today in UTC as the server sees it, at midnight. */
export async function today(pool: Pool): Promise<Date> {
  const { rows } = await pool.query<{ day: string }>(`SELECT (now() AT TIME ZONE 'UTC')::date::text AS day`)
  return new Date(`${rows[0]?.day}T00:00:00Z`)
}

export function dayAfter(day: Date, days: number): Date {
  return new Date(day.getTime() + days * 86_400_000)
}

/** How the tools name the partitions of a table: pg_partman in one way, the others in another. */
export type NameStyle = '_p' | '__'

export function partitionOf(table: string, day: Date, style: NameStyle = '_p'): string {
  return `${table}${style}${day.toISOString().slice(0, 10).replaceAll('-', '_')}`
}

/** Gives partitions named as by pg_partman, which goes by names, the names that the other tools give. */
export async function renamePartitions(pool: Pool, table: string): Promise<void> {
  await pool.query(
    `DO $$ DECLARE old name; BEGIN
       FOR old IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                  WHERE i.inhparent = '${table}'::regclass AND c.relname ~ '_p[0-9_]+$' LOOP
         EXECUTE format('ALTER TABLE %I RENAME TO %I', old, regexp_replace(old, '_p([0-9_]+)$', '__\\1'));
       END LOOP; END $$`,
  )
}

/** Makes the table with its empty partitions, named as by pg_partman. */
export async function makeDailyTable(pool: Pool, wanted: DailyTable): Promise<void> {
  const { table, behind, ahead, fallback, indexes = true } = wanted
  await pool.query(
    `CREATE TABLE ${table} (id bigint NOT NULL, at timestamptz NOT NULL, payload text) PARTITION BY RANGE (at)`,
  )
  if (indexes) {
    await pool.query(`ALTER TABLE ${table} ADD PRIMARY KEY (id, at)`)
    await pool.query(`CREATE INDEX ON ${table} (at)`)
  }
  // Fewer at once than the lock table holds.
  for (let from = -behind; from < ahead; from += 500) {
    await pool.query(
      `DO $$ DECLARE d timestamp; BEGIN FOR i IN ${from}..${Math.min(from + 500, ahead) - 1} LOOP
         d := (now() AT TIME ZONE 'UTC')::date + i;
         EXECUTE format('CREATE TABLE %I PARTITION OF ${table} FOR VALUES FROM (%L) TO (%L)',
           '${table}_p' || to_char(d, 'YYYY_MM_DD'), d AT TIME ZONE 'UTC', (d + interval '1 day') AT TIME ZONE 'UTC');
       END LOOP; END $$`,
    )
  }
  if (fallback) await pool.query(`CREATE TABLE ${table}_default PARTITION OF ${table} DEFAULT`)
}

/**
 * Makes the same table, without indexes, when it has thousands of partitions.
 *
 * Each CREATE TABLE .. PARTITION OF has the server read all partitions of the parent anew, so that 20,000 of them take
 * many minutes. So they are made below small parents, and then the catalog is told that they have another one, which is
 * all that a bound and a parent are to PostgreSQL.
 */
export async function makeVastTable(pool: Pool, wanted: DailyTable): Promise<void> {
  const { table, behind, ahead } = wanted
  const client = await pool.connect()
  try {
    await client.query(
      `CREATE TABLE ${table} (id bigint NOT NULL, at timestamptz NOT NULL, payload text) PARTITION BY RANGE (at)`,
    )
    await client.query('SET allow_system_table_mods = on')
    for (let from = -behind; from < ahead; from += 250) {
      await client.query(`DO $$ DECLARE d timestamp; part regclass; BEGIN
         CREATE TABLE ${table}_small (LIKE ${table}) PARTITION BY RANGE (at);
         FOR i IN ${from}..${Math.min(from + 250, ahead) - 1} LOOP
           d := (now() AT TIME ZONE 'UTC')::date + i;
           EXECUTE format('CREATE TABLE %I PARTITION OF ${table}_small FOR VALUES FROM (%L) TO (%L)',
             '${table}_p' || to_char(d, 'YYYY_MM_DD'), d AT TIME ZONE 'UTC', (d + interval '1 day') AT TIME ZONE 'UTC');
         END LOOP;
         UPDATE pg_depend SET refobjid = '${table}'::regclass WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
           AND refobjid = '${table}_small'::regclass AND objid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = '${table}_small'::regclass);
         UPDATE pg_inherits SET inhparent = '${table}'::regclass WHERE inhparent = '${table}_small'::regclass;
         DROP TABLE ${table}_small;
       END $$`)
    }
    await client.query(`UPDATE pg_class SET relhassubclass = true WHERE oid = '${table}'::regclass`)
    // A table that was not made in the usual way must work in the usual way.
    await client.query(`BEGIN; INSERT INTO ${table} VALUES (1, now()); ROLLBACK`)
  } finally {
    client.release(true)
  }
}

export async function settleCatalog(pool: Pool): Promise<void> {
  await pool.query(
    'VACUUM ANALYZE pg_class, pg_inherits, pg_attribute, pg_constraint, pg_depend, pg_description, pg_index',
  )
}

/** How many partitions the tables have together. */
export async function countPartitions(pool: Pool, tables: readonly string[]): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = ANY ($1::text[]::regclass[])`,
    [tables],
  )
  return rows[0]?.n ?? 0
}

/** Throws when the day has changed since: every tool then rightly has something else to do. */
export async function expectSameDay(pool: Pool, day: Date): Promise<void> {
  if ((await today(pool)).getTime() !== day.getTime()) {
    throw new Error('Midnight (UTC) came during the run, and the wanted partitions changed. Start it again.')
  }
}
