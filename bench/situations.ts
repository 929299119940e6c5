/** The situations of the stall benchmark: what is in the table, and what else goes on while maintenance runs. */

import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Pool } from 'pg'

import type { ClientKind } from './client-kinds.ts'
import { seededRows } from './client-kinds.ts'
import type { BenchServer } from './server.ts'

export interface Situation {
  readonly name: string
  readonly what: string
  readonly rowsInDefault: number
  readonly rowsReferencing: number
  readonly clients: readonly ClientKind[]
  readonly autovacuum: boolean
  /** Begins what goes on beside maintenance. */
  readonly begin: (url: string) => Promise<Ongoing>
}

export interface Ongoing {
  /** Whether `pg_stat_activity` shows it now. */
  isOn(): Promise<boolean>
  /** Waits for its end, or brings it about. */
  end(): Promise<void>
}

export interface Sizes {
  readonly rowsInDefault: number
  readonly rowsReferencing: number
  readonly readerMs: number
}

const everyClient: readonly ClientKind[] = [
  'insert into a sibling',
  'insert into DEFAULT',
  'select, pruned',
  'select, unpruned',
  'update',
]

const nothingElse = async (): Promise<Ongoing> => ({ isOn: async () => true, end: async () => undefined })

export function situations({ rowsInDefault, rowsReferencing, readerMs }: Sizes): readonly Situation[] {
  const quiet = {
    rowsInDefault: 1000,
    rowsReferencing: 0,
    clients: everyClient,
    autovacuum: false,
  }
  const vacuumed = Math.max(1000, Math.ceil(rowsInDefault / 5))
  return [
    { ...quiet, name: 'quiet', what: 'the clients alone; 1,000 rows in DEFAULT', begin: nothingElse },
    {
      ...quiet,
      name: 'default',
      what: `${rowsInDefault} rows in DEFAULT, none in the range of the new partition`,
      rowsInDefault,
      begin: nothingElse,
    },
    {
      ...quiet,
      name: 'reader',
      what: `a transaction that has read every partition and is idle for ${readerMs} ms, from half a second before`,
      begin: (url) => idleReader(url, readerMs),
    },
    {
      ...quiet,
      name: 'references',
      what: `a table of ${rowsReferencing} rows that refer to rows of today`,
      rowsReferencing,
      clients: [...everyClient, 'insert into the referencing table'],
      begin: nothingElse,
    },
    {
      ...quiet,
      name: 'autovacuum',
      what: `autovacuum at work on DEFAULT, slowed down to last; ${vacuumed} rows in DEFAULT`,
      rowsInDefault: vacuumed,
      autovacuum: true,
      begin: autovacuumAtWork,
    },
  ]
}

/** Fills the tables of a situation. The rows of DEFAULT are old ones, a second apart. */
export async function fill(pool: Pool, situation: Situation): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'ev'::regclass AND c.relname LIKE 'ev\\_p%'`,
  )
  for (const { name } of rows) {
    await pool.query(
      `INSERT INTO ev SELECT g, to_date(right($1, 10), 'YYYY_MM_DD')::timestamp AT TIME ZONE 'UTC' + g * interval '5 seconds', 'seeded'
       FROM generate_series(1, ${seededRows}) g`,
      [name],
    )
  }
  await pool.query(
    `INSERT INTO ev_default SELECT g, timestamptz '2001-01-01 00:00+00' + g * interval '1 second', repeat('x', 60)
     FROM generate_series(1, $1::int) g`,
    [situation.rowsInDefault],
  )
  if (situation.rowsReferencing > 0) await makeReferences(pool, situation.rowsReferencing)
  if (situation.autovacuum) {
    await pool.query(
      `ALTER TABLE ev_default SET (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0,
         autovacuum_vacuum_cost_delay = 20, autovacuum_vacuum_cost_limit = 20)`,
    )
  }
  await pool.query('VACUUM ANALYZE')
}

async function makeReferences(pool: Pool, count: number): Promise<void> {
  await pool.query(
    'CREATE TABLE ev_note (id bigint GENERATED ALWAYS AS IDENTITY, ev_id bigint NOT NULL, ev_at timestamptz NOT NULL)',
  )
  await pool.query(
    `INSERT INTO ev_note (ev_id, ev_at)
     SELECT 1 + g % ${seededRows}, (now() AT TIME ZONE 'UTC')::date::timestamp AT TIME ZONE 'UTC' + (1 + g % ${seededRows}) * interval '5 seconds'
     FROM generate_series(1, $1::int) g`,
    [count],
  )
  await pool.query('CREATE INDEX ON ev_note (ev_id, ev_at)')
  await pool.query('ALTER TABLE ev_note ADD FOREIGN KEY (ev_id, ev_at) REFERENCES ev (id, at)')
}

async function idleReader(url: string, ms: number): Promise<Ongoing> {
  const reader = new Client({ connectionString: url, application_name: readerName })
  reader.on('error', () => undefined)
  await reader.connect()
  await reader.query('BEGIN')
  await reader.query('SELECT count(*) FROM ev WHERE id = 1')
  const idleThenEnd = async (): Promise<void> => {
    await sleep(ms)
    await reader.query('COMMIT')
    await reader.end()
  }
  const over = idleThenEnd()
  await sleep(300)
  return {
    isOn: () =>
      isThere(
        url,
        `SELECT FROM pg_stat_activity WHERE application_name = '${readerName}' AND state = 'idle in transaction'`,
      ),
    end: () => over,
  }
}

const readerName = 'bench reader'

/** A worker that is at DEFAULT, and not at another table or database. */
const worker = `
SELECT FROM pg_stat_activity a JOIN pg_stat_progress_vacuum v ON v.pid = a.pid
WHERE a.backend_type = 'autovacuum worker' AND v.relid = 'ev_default'::regclass AND v.datname = current_database()`

/** Leaves dead rows all over DEFAULT and waits until a worker is at them; one that is still at it is enough. */
async function autovacuumAtWork(url: string): Promise<Ongoing> {
  const isOn = (): Promise<boolean> => isThere(url, worker)
  if (!(await isOn())) {
    await isThere(url, `UPDATE ev_default SET payload = 'again' WHERE id % 10 = 0`)
    for (let turns = 0; turns < 300 && !(await isOn()); turns++) await sleep(100)
  }
  return { isOn, end: async () => undefined }
}

/** Whether a statement gives a row. Its session ends, so that the server counts dead rows at once. */
async function isThere(url: string, statement: string): Promise<boolean> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(statement)).rows.length > 0
  } finally {
    await client.end()
  }
}

/** Autovacuum is off but for the situation that is about it, so that what is called quiet is quiet. */
export async function setAutovacuum(server: BenchServer, on: boolean): Promise<void> {
  await server.set('autovacuum_naptime', on ? '1s' : undefined)
  await server.set('autovacuum', on ? undefined : 'off')
}
