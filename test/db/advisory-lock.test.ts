import type { Pool } from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  ConnectionFailedError,
  InvalidPartitionConfigError,
  LockAcquisitionError,
  LockLostError,
  RunAbortedError,
} from '../../src/errors.ts'
import type { DatabaseClient } from '../../src/run/client.ts'
import { fromPg } from '../../src/run/clients/pg.ts'
import type { LockLease } from '../../src/run/lock.ts'
import { PostgresAdvisoryLockManager } from '../../src/run/locks/advisory.ts'
import { advisoryLockKey } from '../../src/sql/advisory-lock.ts'
import { calmPool } from '../support/calm-pool.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'

const table = { schema: 'app', name: 'events' }

describeEachServer('PostgresAdvisoryLockManager', (major) => {
  let database: TestDatabase
  let locks: PostgresAdvisoryLockManager

  beforeAll(async () => {
    database = await createDatabase(major)
    locks = new PostgresAdvisoryLockManager(database.pool)
  })

  const holders = async (): Promise<readonly number[]> =>
    (
      await database.sql(`SELECT pid FROM pg_locks WHERE locktype = 'advisory'
                            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
    ).map((row) => Number(row['pid']))
  const onlyHolder = async (): Promise<number> => {
    const pids = await holders()
    expect(pids).toHaveLength(1)
    return pids[0] ?? 0
  }

  it('names the holder in the error: process, application and since when', async () => {
    const pool = calmPool({ connectionString: database.url, application_name: 'nightly "job"' })
    await using lease = await new PostgresAdvisoryLockManager(pool).acquireLock(table)
    const pid = await onlyHolder()
    const attempt = locks.acquireLock(table)
    await expect(attempt).rejects.toBeInstanceOf(LockAcquisitionError)
    await database.sql('SELECT pg_sleep(0.05)')
    const later = locks.acquireLock(table)
    await expect(later).rejects.toSatisfy(({ heldForMs }) => heldForMs >= 50 && heldForMs < 60_000)
    await expect(attempt).rejects.toThrow(
      new RegExp(
        `^app\\.events: another maintainer holds .*process ${pid}, application "nightly .*at work since \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ\\)`,
      ),
    )
    await lease.release()
    await pool.end()
  })

  it('works under the 64-bit key that PostgreSQL itself computes the same way', async () => {
    const [row] = await database.sql(
      `SELECT ('x' || left(encode(sha256(convert_to('pg-partsmith', 'UTF8') || '\\x00' || convert_to($1, 'UTF8') || '\\x00' ||
                                         convert_to($2, 'UTF8')), 'hex'), 16))::bit(64)::bigint::text AS key`,
      [table.schema, table.name],
    )
    expect(String(advisoryLockKey('pg-partsmith', table))).toBe(row?.['key'])
    await using lease = await locks.acquireLock(table)
    expect(lease.key).toContain(String(row?.['key']))
  })

  it('keeps prefixes apart', async () => {
    await using one = await locks.acquireLock(table)
    await using two = await new PostgresAdvisoryLockManager(database.pool, { prefix: 'other' }).acquireLock(
      table,
    )
    await one.assertHeld()
    await two.assertHeld()
    expect(await holders()).toHaveLength(2)
  })

  it('leaves no lock and no setting behind on the connection that it gives back', async () => {
    const pool = ownPool(database, { max: 2, options: '-c idle_in_transaction_session_timeout=2h' })
    const lease = await new PostgresAdvisoryLockManager(pool).acquireLock(table)
    await lease.release()
    expect(pool.idleCount).toBe(1)
    const { rows } = await pool.query(
      `SELECT current_setting('idle_in_transaction_session_timeout') AS timeout, txid_current_if_assigned() AS open`,
    )
    expect(rows).toEqual([{ timeout: '2h', open: null }])
    expect(await holders()).toEqual([])
  })

  it('outlives every timeout of the role that ends sessions', async () => {
    await using database = await createDatabase(major)
    const timeouts = ['idle_session_timeout', 'idle_in_transaction_session_timeout']
    if (major >= 17) timeouts.push('transaction_timeout')
    const role = await createRole(database, {
      settings: Object.fromEntries(timeouts.map((name) => [name, '150ms'])),
    })
    const pool = ownPool(database, { connectionString: role.url })
    const lease = await new PostgresAdvisoryLockManager(pool).acquireLock(table)
    // Sessions that are not protected show when the timeouts have struck: beside a transaction, and in one.
    for (const first of ['SELECT 1', 'BEGIN']) {
      const victim = await pool.connect()
      const ended = new Promise((resolve) => victim.once('error', resolve))
      await victim.query(first)
      await ended
      victim.release(true)
    }
    await expect(lease.assertHeld()).resolves.toBeUndefined()
    expect(lease.signal.aborted).toBe(false)
    await lease.release()
  })

  it.each(['serializable', 'repeatable read'])(
    'holds no table and keeps VACUUM from nothing, where transactions are %s by default',
    async (isolation) => {
      await using database = await createDatabase(major)
      const role = await createRole(database, { settings: { default_transaction_isolation: isolation } })
      await database.sql('CREATE TABLE garbage AS SELECT FROM generate_series(1, 1000)')
      const pool = ownPool(database, { connectionString: role.url })
      await using lease = await new PostgresAdvisoryLockManager(pool).acquireLock(table)
      await lease.assertHeld()
      const [open] = await database.sql(
        `SELECT state, backend_xid, backend_xmin,
                (SELECT array_agg(l.locktype ORDER BY l.locktype) FROM pg_locks l WHERE l.pid = a.pid)::text[] AS locks
         FROM pg_stat_activity a WHERE usename = $1 AND state <> 'idle'`,
        [role.name],
      )
      expect(open).toEqual({
        state: 'idle in transaction',
        backend_xid: null,
        backend_xmin: null,
        locks: ['advisory', 'virtualxid'],
      })
      await database.sql('DELETE FROM garbage')
      await database.sql('VACUUM garbage')
      const [left] = await database.sql(`SELECT pg_relation_size('garbage')::int AS bytes`)
      expect(left).toEqual({ bytes: 0 })
    },
  )

  describe('a lock that is lost', () => {
    it('with its connection is noticed at once', async () => {
      const lease = await locks.acquireLock(table)
      const aborted = abortOf(lease)
      await database.sql('SELECT pg_terminate_backend($1)', [await onlyHolder()])
      const reason = await aborted
      expect(reason).toBeInstanceOf(LockLostError)
      expect(String(reason)).toMatch(
        /^LockLostError: app\.events: the advisory lock .* was lost: its session ended/,
      )
      await expect(lease.assertHeld()).rejects.toBe(reason)
      await expect(lease.release()).resolves.toBeUndefined()
      await (await locks.acquireLock(table)).release()
    })

    it('to the end of its transaction is noticed by the next look', async () => {
      const { client, query } = onlyConnection(database.pool)
      const lease = await new PostgresAdvisoryLockManager(client).acquireLock(table)
      await lease.assertHeld()
      await query('COMMIT')
      await expect(lease.assertHeld()).rejects.toThrow(/does not hold it any more/)
      expect(lease.signal.reason).toBeInstanceOf(LockLostError)
      await lease.release()
    })

    it('is not lost to pg_advisory_unlock_all', async () => {
      const { client, query } = onlyConnection(database.pool)
      const lease = await new PostgresAdvisoryLockManager(client).acquireLock(table)
      await query('SELECT pg_advisory_unlock_all()')
      await expect(lease.assertHeld()).resolves.toBeUndefined()
      await lease.release()
    })

    it('to a pooler that hands out another session is noticed by the next look', async () => {
      const other = await database.pool.connect()
      const { client, redirectTo } = onlyConnection(database.pool)
      const lease = await new PostgresAdvisoryLockManager(client).acquireLock(table)
      redirectTo((text) => other.query(text))
      await expect(lease.assertHeld()).rejects.toThrow(/a pooler gave the run another session/)
      redirectTo(undefined)
      await lease.release()
      other.release()
      // The session that may still hold it is closed.
      await until(async () => (await holders()).length === 0)
    })

    it('by another key in the same session is not taken for a loss', async () => {
      const { client, query } = onlyConnection(database.pool)
      const lease = await new PostgresAdvisoryLockManager(client).acquireLock(table)
      await query('SELECT pg_advisory_lock(1), pg_advisory_unlock(1)')
      await expect(lease.assertHeld()).resolves.toBeUndefined()
      await lease.release()
    })
  })

  it('closes the connection when the transaction cannot be ended, so that it is free all the same', async () => {
    const { client, redirectTo } = onlyConnection(database.pool)
    const warnings: string[] = []
    const logger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (message: string) => warnings.push(message),
    }
    const lease = await new PostgresAdvisoryLockManager(client, { logger }).acquireLock(table)
    redirectTo(async () => {
      throw new Error('the statement did not arrive')
    })
    await lease.release()
    expect(warnings).toEqual([
      expect.stringMatching(/could not be released \(the statement did not arrive\)/),
    ])
    await until(async () => (await holders()).length === 0)
  })

  it('leaves no lock behind when the answer to the acquisition is lost', async () => {
    const { client, redirectTo } = onlyConnection(database.pool)
    redirectTo(async (text, send) => {
      const answer = await send(text)
      if (text.includes('pg_try_advisory_xact_lock'))
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
      return answer
    })
    const attempt = new PostgresAdvisoryLockManager(client).acquireLock(table)
    await expect(attempt).rejects.toBeInstanceOf(ConnectionFailedError)
    await until(async () => (await holders()).length === 0)
  })

  it('leaves no lock behind when the abort comes during the acquisition', async () => {
    const stop = new AbortController()
    const { client, redirectTo } = onlyConnection(database.pool)
    redirectTo(async (text, send) => {
      const answer = await send(text)
      stop.abort()
      return answer
    })
    const attempt = new PostgresAdvisoryLockManager(client).acquireLock(table, { signal: stop.signal })
    await expect(attempt).rejects.toBeInstanceOf(RunAbortedError)
    expect(await holders()).toEqual([])
  })

  it('refuses a pool of one with a sentence', async () => {
    const pool = calmPool({ connectionString: database.url, max: 1 })
    expect(() => new PostgresAdvisoryLockManager(pool)).toThrow(InvalidPartitionConfigError)
    expect(() => new PostgresAdvisoryLockManager(pool)).toThrow(
      /one connection only.* Let it open at least 3/,
    )
    await pool.end()
  })

  it('is another lock in another database of the same server', async () => {
    const elsewhere = await createDatabase(major)
    await using here = await locks.acquireLock(table)
    await using there = await new PostgresAdvisoryLockManager(elsewhere.pool).acquireLock(table)
    await here.assertHeld()
    await there.assertHeld()
    await there.release()
    expect(await locks.isLocked(table)).toBe(true)
    expect(await new PostgresAdvisoryLockManager(elsewhere.pool).isLocked(table)).toBe(false)
  })
})

function abortOf(lease: LockLease): Promise<unknown> {
  return new Promise((resolve) => {
    lease.signal.addEventListener('abort', () => {
      resolve(lease.signal.reason)
    })
  })
}

const ignore = (): void => undefined

type Send = (text: string) => Promise<unknown>

/** A client of one connection, whose statements the test can add to, and answer in another way. */
function onlyConnection(pool: Pool): {
  readonly client: DatabaseClient
  /** Sends a statement in the session of the lock. */
  readonly query: Send
  /** Answers to what the library sends. */
  readonly redirectTo: (answer: ((text: string, send: Send) => Promise<unknown>) | undefined) => void
} {
  const sound = fromPg(pool)
  let send: Send | undefined
  let answer: ((text: string, send: Send) => Promise<unknown>) | undefined
  const client: DatabaseClient = {
    ...sound,
    connect: async () => {
      const connection = await sound.connect()
      send = (text) => connection.query(text)
      return {
        ...connection,
        query: async (text, values) => {
          if (answer === undefined) return connection.query(text, values)
          return Object.assign({ rows: [] }, await answer(text, (sent) => connection.query(sent)))
        },
      }
    },
  }
  return {
    client,
    query: async (text) => send?.(text),
    redirectTo: (next) => {
      answer = next
    },
  }
}

async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 10))
}
