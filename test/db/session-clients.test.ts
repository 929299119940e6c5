import { PGlite } from '@electric-sql/pglite'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ConnectionFailedError, RunAbortedError } from '../../src/errors.ts'
import type { DatabaseClient } from '../../src/run/client.ts'
import { fromPglite } from '../../src/run/clients/pglite.ts'
import { fromPostgresJs } from '../../src/run/clients/postgres-js.ts'
import { withConnection } from '../../src/run/session.ts'
import { sqlStateOf } from '../../src/run/sql-state.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

describeEachServer('withConnection on postgres.js', (major) => {
  let database: TestDatabase
  let sql: postgres.Sql
  let client: DatabaseClient

  beforeAll(async () => {
    database = await createDatabase(major)
    await database.sql('CREATE TABLE kept (value text)')
  })
  beforeEach(() => {
    sql = postgres(database.url, { max: 2, onnotice: () => undefined })
    client = fromPostgresJs(sql)
  })
  afterEach(() => sql.end({ timeout: 1 }))

  const sleeping = async (
    signal?: AbortSignal,
  ): Promise<{ readonly work: Promise<unknown>; readonly pid: number }> => {
    let work: Promise<unknown> = Promise.resolve()
    const pid = await new Promise<number>((resolve) => {
      work = withConnection(client, { signal }, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('half')`)
          resolve(session.pid)
          await session.query('SELECT pg_sleep(60)')
        }),
      )
    })
    const text = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`
    await until(async () => (await database.sql(text, [pid])).length > 0)
    return { work, pid }
  }
  /** Both places of the pool must be there to be taken, with sessions that answer. */
  const mustHaveBothPlaces = async (): Promise<void> => {
    const pids = await withConnection(client, {}, (one) =>
      withConnection(client, {}, async (two) => [one.pid, two.pid]),
    )
    expect(new Set(pids).size).toBe(2)
    expect(await database.sql('SELECT value FROM kept')).toEqual([])
  }

  it('an abort cancels on the server, rolls back and frees the place in the pool', async () => {
    const stop = new AbortController()
    const { work } = await sleeping(stop.signal)
    stop.abort()
    await expect(work).rejects.toBeInstanceOf(RunAbortedError)
    await mustHaveBothPlaces()
  })

  it('an abort is served while the pool is full', async () => {
    const stop = new AbortController()
    const other = await client.connect()
    const { work } = await sleeping(stop.signal)
    stop.abort()
    await expect(work).rejects.toBeInstanceOf(RunAbortedError)
    await other.release()
    await mustHaveBothPlaces()
  })

  it('a statement of somebody else can be cancelled too, through the pool', async () => {
    const other = await database.pool.connect()
    const [row] = (await other.query('SELECT pg_backend_pid() AS pid')).rows
    const running = other.query('SELECT pg_sleep(60)').catch((error: unknown) => error)
    const text = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'`
    await until(async () => (await database.sql(text, [row.pid])).length > 0)
    await client.cancel(row.pid)
    expect(sqlStateOf(await running)).toBe('57014')
    other.release()
  })

  it('a lost connection is a ConnectionFailedError, and its place is free again', async () => {
    const { work, pid } = await sleeping()
    const failure = work.catch((error: unknown) => error)
    await database.sql('SELECT pg_terminate_backend($1)', [pid])
    const error = await failure
    expect(error).toBeInstanceOf(ConnectionFailedError)
    await mustHaveBothPlaces()
  })

  it('callers that wait for a place get it when connections are closed meanwhile', async () => {
    const first = await client.connect()
    const second = await client.connect()
    const waiting = Array.from({ length: 6 }, () =>
      withConnection(client, {}, async (session) => session.pid),
    )
    await Promise.all([first.release(true), second.release(true)])
    expect(await Promise.all(waiting)).toHaveLength(6)
    await mustHaveBothPlaces()
  })

  it('a server that cannot be reached is a ConnectionFailedError', async () => {
    const nowhere = postgres('postgres://postgres@127.0.0.1:1/postgres', { max: 1 })
    await expect(withConnection(fromPostgresJs(nowhere), {}, async () => undefined)).rejects.toThrow(
      /Could not connect to the database: .*ECONNREFUSED/,
    )
    await nowhere.end({ timeout: 1 })
  })

  it('the error of the server is passed on', async () => {
    const error: unknown = await withConnection(client, {}, (session) =>
      session.query('SELECT FROM missing'),
    ).catch((reason: unknown) => reason)
    expect(sqlStateOf(error)).toBe('42P01')
    await mustHaveBothPlaces()
  })
})

describe('withConnection on PGlite', () => {
  let db: PGlite
  let client: DatabaseClient

  beforeAll(async () => {
    db = await PGlite.create()
    client = fromPglite(db)
    await db.exec('CREATE TABLE kept (value text UNIQUE DEFERRABLE INITIALLY DEFERRED)')
  })
  afterAll(() => db.close())

  const values = async (): Promise<readonly unknown[]> => (await db.query('SELECT value FROM kept')).rows

  it('commits, rolls back, and names the isolation level', async () => {
    const level = await withConnection(client, {}, async (session) => {
      await session.transaction(() => session.query(`INSERT INTO kept VALUES ('kept')`))
      await session
        .transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('lost')`)
          throw new Error('no')
        })
        .catch(() => undefined)
      return session.transaction(
        async () => (await session.query(`SELECT current_setting('transaction_isolation') AS level`)).rows,
        { isolation: 'repeatable read', readOnly: true },
      )
    })
    expect(level).toEqual([{ level: 'repeatable read' }])
    expect(await values()).toEqual([{ value: 'kept' }])
  })

  it('passes on what the server says to COMMIT', async () => {
    const work = withConnection(client, {}, (session) =>
      session.transaction(() => session.query(`INSERT INTO kept VALUES ('twice'), ('twice')`)),
    )
    await expect(work).rejects.toMatchObject({ code: '23505' })
    expect(await values()).toEqual([{ value: 'kept' }])
  })

  it('stops between two statements', async () => {
    const stop = new AbortController()
    const work = withConnection(client, { signal: stop.signal }, (session) =>
      session.transaction(async () => {
        await session.query(`INSERT INTO kept VALUES ('aborted')`)
        stop.abort()
      }),
    )
    await expect(work).rejects.toBeInstanceOf(RunAbortedError)
    expect(await values()).toEqual([{ value: 'kept' }])
  })
})

async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 10))
}
