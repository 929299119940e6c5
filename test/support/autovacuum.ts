/** A server on which autovacuum comes at once, and a table that it stays on. */

import type { Pool } from 'pg'
import { afterAll, beforeAll, onTestFinished } from 'vitest'

import type { EmbeddedServer } from '../../src/cli/embedded/server.ts'
import { startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import { calmPool } from './calm-pool.ts'
import { until } from './cli.ts'
import type { ServerMajor } from './database.ts'
import { uniqueName } from './database.ts'

export interface VacuumedDatabase {
  /** A superuser's. */
  readonly pool: Pool
  readonly sql: (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>
  /** Makes a role that owns what the script makes, and connects as it. */
  readonly as: (script: string) => Promise<{ readonly name: string; readonly pool: Pool }>
}

/** Starts a server of its own for the tests of a file, and gives databases on it. */
export function vacuumingServer(major: ServerMajor): () => Promise<VacuumedDatabase> {
  const started: { server?: EmbeddedServer } = {}
  beforeAll(async () => {
    started.server = await startEmbeddedServer({
      major,
      settings: {
        autovacuum_naptime: '1s',
        autovacuum_vacuum_cost_delay: '0',
        autovacuum_max_workers: '5',
        max_prepared_transactions: '5',
      },
    })
  })
  afterAll(() => started.server?.stop())
  return async () => {
    const url = new URL(started.server?.url ?? '')
    const administrator = poolOf(url.href)
    const database = uniqueName('vacuumed')
    await administrator.query(`CREATE DATABASE ${database}`)
    url.pathname = `/${database}`
    const pool = poolOf(url.href)
    const sql: VacuumedDatabase['sql'] = async (text, values) => {
      const result = await (values === undefined ? pool.query(text) : pool.query(text, [...values]))
      return [result].flat().at(-1)?.rows ?? []
    }
    return {
      pool,
      sql,
      as: async (script) => {
        const name = uniqueName('owner')
        await sql(`CREATE ROLE ${name} LOGIN; GRANT CREATE ON SCHEMA public TO ${name}`)
        const own = new URL(url)
        own.username = name
        const its = poolOf(own.href)
        await its.query(script)
        // A session that is idle tells what it did only after ten seconds, and autovacuum goes by that.
        await its.query('SELECT pg_stat_force_next_flush()')
        return { name, pool: its }
      },
    }
  }
}

function poolOf(connectionString: string): Pool {
  const pool = calmPool({ connectionString, max: 10 })
  onTestFinished(() => pool.end())
  return pool
}

/** Storage parameters under which an autovacuum comes for a few dead rows and then takes minutes for a page. */
export const slowly =
  'autovacuum_vacuum_threshold = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1'

/** Waits until an autovacuum is at work on the table, and gives its process. */
export async function untilVacuumed({ sql }: VacuumedDatabase, table: string): Promise<number> {
  let pid: unknown
  await until(async () => {
    const rows = await sql(
      `SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
       WHERE a.backend_type = 'autovacuum worker' AND l.relation = $1::regclass AND l.mode = 'ShareUpdateExclusiveLock'`,
      [table],
    )
    pid = rows[0]?.['pid']
    return pid !== undefined
  }, `an autovacuum is at work on ${table}`)
  return Number(pid)
}

/** Inserts one row after the other into a partition beside it, and remembers how long the slowest took. */
export function insertsBeside({ sql }: VacuumedDatabase): {
  /** Resolves after so many more rows. */
  until(count: number): Promise<void>
  stop(): Promise<number>
} {
  const seen = { over: false, longestMs: 0, done: 0 }
  const going = (async () => {
    while (!seen.over) {
      const began = performance.now()
      await sql(`INSERT INTO events VALUES (1, '2026-03-10')`)
      seen.longestMs = Math.max(seen.longestMs, performance.now() - began)
      seen.done += 1
    }
  })()
  onTestFinished(() => {
    seen.over = true
  })
  return {
    until: async (count) => {
      const aim = seen.done + count
      await until(() => seen.done >= aim, `${count} more rows are in`)
    },
    stop: async () => {
      seen.over = true
      await going
      return seen.longestMs
    },
  }
}
