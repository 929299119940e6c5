/**
 * What does a run cost that has nothing to do?
 *
 * Builds 100 tables of 30 partitions and one table of 5,000, all as wanted, and compares planning and maintenance with
 * the bare catalog query that any tool has to send, in one run. Prints JSON on standard output.
 */

import { Pool } from 'pg'

import { startEmbeddedServer } from '../src/cli/embedded/server.ts'
import type { DatabaseClient } from '../src/index.ts'
import { createPartsmith, fromPg, TablePartitionConfig } from '../src/index.ts'
import { pinSettings, readPartitions } from '../src/sql/catalog.ts'
import { median, printReport, ratio } from './report.ts'

const repetitions = 7
const now = '2026-03-15T12:00:00Z'

interface Shape {
  readonly tables: number
  readonly partitions: number
}

async function measure(shape: Shape, url: string): Promise<Record<string, unknown>> {
  const pool = new Pool({ connectionString: url, max: 5 })
  try {
    const configs = await build(pool, shape)
    const counted = counting(fromPg(pool))
    const partsmith = createPartsmith({ pool: counted.client })
    const bare = await timed(async () => {
      await pool.query('BEGIN READ ONLY')
      await pool.query(pinSettings)
      for (const { oid } of configs) await pool.query(readPartitions, [[oid]])
      await pool.query('COMMIT')
    })
    const plan = await timed(async () => {
      for (const { config } of configs) {
        const { operations } = await partsmith.plan(config, { now })
        if (operations.length > 0) throw new Error(`not converged: ${operations[0]?.id}`)
      }
    })
    const before = counted.statements()
    await partsmith.plan(configs[0].config, { now })
    const planStatements = counted.statements() - before
    const maintain = await timed(async () => {
      for (const { config } of configs) await partsmith.maintain(config, { now })
    })
    const beforeMaintain = counted.statements()
    await partsmith.maintain(configs[0].config, { now })
    return {
      tables: shape.tables,
      partitionsEach: shape.partitions,
      bareCatalogQueryMs: bare,
      planMs: plan,
      maintainMs: maintain,
      planOverBare: ratio(plan, bare),
      maintainOverBare: ratio(maintain, bare),
      statementsPerTable: { plan: planStatements, maintain: counted.statements() - beforeMaintain },
      memory: await memoryOf(async () => {
        for (const { config } of configs) await partsmith.plan(config, { now })
      }),
    }
  } finally {
    await pool.end()
  }
}

type Built = readonly [BuiltTable, ...BuiltTable[]]
interface BuiltTable {
  readonly oid: string
  readonly config: TablePartitionConfig
}

/** Daily partitions around `now`, made by plain SQL: what is measured is reading and deciding, not making. */
async function build(pool: Pool, { tables, partitions }: Shape): Promise<Built> {
  const built: BuiltTable[] = []
  for (let index = 0; index < tables; index++) {
    const table = `t_${partitions}_${index}`
    await pool.query(
      `CREATE TABLE ${table} (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)`,
    )
    // Fewer than the lock table holds in each transaction.
    for (let from = 0; from < partitions; from += 500) {
      await pool.query(
        `DO $$ BEGIN FOR i IN ${from}..${Math.min(from + 500, partitions) - 1} LOOP
           EXECUTE format('CREATE TABLE ${table}__%s PARTITION OF ${table} FOR VALUES FROM (%L) TO (%L)', i,
             timestamptz '2026-03-17 00:00+00' - i * interval '1 day', timestamptz '2026-03-18 00:00+00' - i * interval '1 day');
         END LOOP; END $$`,
      )
    }
    const { rows } = await pool.query<{ oid: string }>(`SELECT '${table}'::regclass::oid::text AS oid`)
    built.push({
      oid: rows[0]?.oid ?? '',
      config: new TablePartitionConfig({
        tableName: table,
        partitionColumn: 'at',
        granularity: 'day',
        createAheadCount: 3,
        retentionCount: partitions,
      }),
    })
  }
  await pool.query('VACUUM ANALYZE pg_class, pg_inherits, pg_attribute, pg_constraint, pg_description')
  const [first, ...rest] = built
  if (!first) throw new Error('no tables')
  return [first, ...rest]
}

async function timed(run: () => Promise<void>): Promise<number> {
  await run()
  const times: number[] = []
  for (let index = 0; index < repetitions; index++) {
    const started = performance.now()
    await run()
    times.push(performance.now() - started)
  }
  return median(times)
}

/** The growth of the heap over the run, without collecting in between: an upper bound of what it needs at once. */
async function memoryOf(run: () => Promise<void>): Promise<Record<string, number>> {
  globalThis.gc?.()
  const before = process.memoryUsage()
  await run()
  const after = process.memoryUsage()
  return {
    heapGrowthMb: Math.round((after.heapUsed - before.heapUsed) / 104_857.6) / 10,
    residentMb: Math.round(after.rss / 1_048_576),
  }
}

function counting(client: DatabaseClient): { readonly client: DatabaseClient; statements(): number } {
  let sent = 0
  return {
    statements: () => sent,
    client: {
      ...client,
      capabilities: client.capabilities,
      cancel: (pid) => client.cancel(pid),
      connect: async () => {
        const connection = await client.connect()
        return {
          query: (text, values) => {
            sent++
            return connection.query(text, values)
          },
          release: (discard) => connection.release(discard),
          onLost: (listener) => connection.onLost(listener),
        }
      },
    },
  }
}

await using server = await startEmbeddedServer({ settings: { max_locks_per_transaction: '256' } })
const { rows } = await query(server.url, 'SHOW server_version')
printReport({
  question: 'What does a run cost that has nothing to do?',
  postgres: rows[0]?.['server_version'],
  repetitions,
  notMeasured:
    'A busy server, a network between client and server, catalogs larger than memory, tables that have something to do.',
  results: [
    await measure({ tables: 100, partitions: 30 }, server.url),
    await measure({ tables: 1, partitions: 5000 }, server.url),
  ],
})

async function query(url: string, text: string): Promise<{ rows: Record<string, unknown>[] }> {
  const pool = new Pool({ connectionString: url, max: 1 })
  try {
    return await pool.query<Record<string, unknown>>(text)
  } finally {
    await pool.end()
  }
}
