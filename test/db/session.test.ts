import { beforeAll, describe, expect, it } from 'vitest'
import { ConnectionFailedError, LockLostError, PartitionError, RunAbortedError } from '../../src/errors.ts'
import type { DatabaseClient, DatabaseConnection } from '../../src/run/client.ts'
import type { PgPoolLike } from '../../src/run/clients/pg.ts'
import { fromPg } from '../../src/run/clients/pg.ts'
import { withConnection } from '../../src/run/session.ts'
import { sqlStateOf } from '../../src/run/sql-state.ts'
import { calmPool } from '../support/calm-pool.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

describeEachServer('withConnection', (major) => {
  let database: TestDatabase
  let client: DatabaseClient

  beforeAll(async () => {
    database = await createDatabase(major)
    await database.sql('CREATE TABLE kept (value text UNIQUE DEFERRABLE INITIALLY DEFERRED)')
    client = fromPg(database.pool)
  })

  const isConnected = async (pid: number): Promise<boolean> =>
    (await database.sql('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).length > 0
  const hasEnded = (pid: number): Promise<void> => until(async () => !(await isConnected(pid)))
  const isWaitingIn = (event: string, pid: number): Promise<void> =>
    until(async () => {
      const text = 'SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = $2'
      return (await database.sql(text, [pid, event])).length > 0
    })
  /** A session whose statement runs for a minute unless it is stopped; resolves when it has begun. */
  const sleeping = async (
    from: DatabaseClient,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly work: Promise<unknown>; readonly pid: number }> => {
    let work: Promise<unknown> = Promise.resolve()
    const pid = await new Promise<number>((resolve) => {
      work = withConnection(from, { signal }, async (session) => {
        resolve(session.pid)
        await session.query('SELECT pg_sleep(60)')
      })
    })
    await isWaitingIn('PgSleep', pid)
    return { work, pid }
  }
  const valuesLike = async (pattern: string): Promise<readonly unknown[]> =>
    (await database.sql('SELECT value FROM kept WHERE value LIKE $1 ORDER BY value', [pattern])).map(
      (row) => row['value'],
    )

  /** The pool's own client, counted: every message that is sent, and nothing else changed. */
  const countingClient = (): { readonly sent: string[]; readonly counting: DatabaseClient } => {
    const sent: string[] = []
    const { spoilt } = spoil(client, (connection, text, values) => {
      sent.push(text)
      return connection.query(text, values)
    })
    return { sent, counting: spoilt }
  }

  describe('its session', () => {
    it('is asked for its timeouts once in a while, and not each time that the pool gives its connection', async () => {
      const { sent, counting } = countingClient()
      const held = await database.pool.connect()
      const one = (): Promise<unknown> => withConnection(counting, {}, (session) => session.query('SELECT 1'))
      await one()
      await one()
      const questions = sent.filter((text) => text.includes('pg_backend_pid')).length
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      await one()
      held.release()
      expect(questions).toBe(1)
      expect(sent.filter((text) => text.includes('pg_backend_pid'))).toHaveLength(2)
    })

    it('knows its process on the server and answers in text', async () => {
      const { rows } = await withConnection(client, {}, async (session) =>
        session.query(
          'SELECT pg_backend_pid() = $1::integer AS same, pid FROM pg_stat_activity WHERE pid = $1::integer',
          [session.pid],
        ),
      )
      expect(rows).toHaveLength(1)
      expect(rows[0]?.['same']).toBe('t')
    })

    it('sends several queries one after the other', async () => {
      const answers = await withConnection(client, {}, (session) =>
        Promise.all([1, 2, 3].map((number) => session.query(`SELECT ${number}::text AS number`))),
      )
      expect(answers.map(({ rows }) => rows[0]?.['number'])).toEqual(['1', '2', '3'])
    })

    it('passes on the error of the server and goes on', async () => {
      await withConnection(client, {}, async (session) => {
        await expect(session.query('SELECT FROM missing')).rejects.toMatchObject({ code: '42P01' })
        await expect(session.query('SELECT 1::text AS one')).resolves.toMatchObject({ rows: [{ one: '1' }] })
      })
    })

    it('gives its connection back, whatever the work does', async () => {
      const pid = await withConnection(client, {}, async (session) => session.pid)
      const failing = withConnection(client, {}, async () => {
        throw new Error('the work failed')
      })
      await expect(failing).rejects.toThrow('the work failed')
      expect(database.pool.waitingCount).toBe(0)
      expect(database.pool.idleCount).toBe(database.pool.totalCount)
      expect(await isConnected(pid)).toBe(true)
    })

    it('waits for a statement that the work did not wait for', async () => {
      let running: Promise<unknown> = Promise.resolve()
      await withConnection(client, {}, async (session) => {
        running = session.query(`INSERT INTO kept SELECT 'unawaited' FROM pg_sleep(0.1)`)
      })
      expect(await valuesLike('unawaited')).toEqual(['unawaited'])
      await running
    })

    it('refuses a statement after its end', async () => {
      const session = await withConnection(client, {}, async (open) => open)
      await expect(session.query('SELECT 1')).rejects.toThrow(/after its session had ended/)
    })

    it('is not cut short by a query_timeout of the pool', async () => {
      const pool = calmPool({ connectionString: database.url, query_timeout: 50 })
      const work = withConnection(fromPg(pool), {}, (session) => session.query('SELECT pg_sleep(0.3)'))
      await expect(work).resolves.toMatchObject({ rows: [{ pg_sleep: '' }] })
      await pool.end()
    })
  })

  describe('a connection of a pg Pool that was given back', () => {
    it('refuses to be used, and is given back only once', async () => {
      const connection = await client.connect()
      await connection.release()
      await expect(connection.query('SELECT 1')).rejects.toBeInstanceOf(ConnectionFailedError)
      await expect(connection.release(true)).resolves.toBeUndefined()
    })
  })

  describe('a transaction', () => {
    it('is committed when the work is done, and its result passed on', async () => {
      const result = await withConnection(client, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('committed')`)
          return 'result'
        }),
      )
      expect(result).toBe('result')
      expect(await valuesLike('committed')).toEqual(['committed'])
    })

    it('is rolled back when the work throws, and the connection stays fit for use', async () => {
      const pid = await withConnection(client, {}, async (session) => {
        const work = session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('thrown away')`)
          throw new Error('no')
        })
        await expect(work).rejects.toThrow('no')
        await expect(session.query('SELECT 1::text AS one')).resolves.toMatchObject({ rows: [{ one: '1' }] })
        return session.pid
      })
      expect(await valuesLike('thrown away')).toEqual([])
      expect(await isConnected(pid)).toBe(true)
    })

    it('is not reported as committed when a failed statement was swallowed', async () => {
      const work = withConnection(client, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('swallowed')`)
          await session.query('SELECT 1 / 0').catch(() => undefined)
        }),
      )
      await expect(work).rejects.toMatchObject({ code: '25P02' })
      expect(await valuesLike('swallowed')).toEqual([])
    })

    it('survives a failed statement behind a savepoint', async () => {
      await withConnection(client, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('before savepoint')`)
          await session.query('SAVEPOINT one')
          await session.query('SELECT 1 / 0').catch(() => undefined)
          await session.query('ROLLBACK TO one')
        }),
      )
      expect(await valuesLike('before savepoint')).toEqual(['before savepoint'])
    })

    it('passes on what the server says to COMMIT', async () => {
      const work = withConnection(client, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('twice'), ('twice')`)
        }),
      )
      await expect(work).rejects.toMatchObject({ code: '23505' })
      expect(await valuesLike('twice')).toEqual([])
    })

    it('names its isolation level, whatever the default of the role', async () => {
      const pool = calmPool({
        connectionString: database.url,
        options: '-c default_transaction_isolation=serializable',
      })
      const level = (
        mode?: Parameters<Parameters<Parameters<typeof withConnection>[2]>[0]['transaction']>[1],
      ) =>
        withConnection(fromPg(pool), {}, (session) =>
          session.transaction(
            async () =>
              (
                await session.query(`SELECT current_setting('transaction_isolation') || ' ' ||
                                           current_setting('transaction_read_only') AS mode`)
              ).rows[0]?.['mode'],
            mode,
          ),
        )
      expect(await level()).toBe('read committed off')
      expect(await level({ isolation: 'repeatable read', readOnly: true })).toBe('repeatable read on')
      await pool.end()
    })

    it('begins with its first statement, in one message where the client takes several', async () => {
      const { sent, counting } = countingClient()
      await withConnection(counting, {}, (session) => session.transaction(async () => undefined))
      await withConnection(counting, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('in one message')`)
          await session.query('SELECT value FROM kept WHERE value = $1', ['in one message'])
        }),
      )
      await withConnection(counting, {}, (session) =>
        session.transaction(() => session.query('SELECT $1::text AS one', ['1'])),
      )
      expect(sent.filter((text) => !text.includes('pg_backend_pid'))).toEqual([
        `BEGIN ISOLATION LEVEL READ COMMITTED;\nINSERT INTO kept VALUES ('in one message')`,
        'SELECT value FROM kept WHERE value = $1',
        'COMMIT',
        'BEGIN ISOLATION LEVEL READ COMMITTED',
        'SELECT $1::text AS one',
        'COMMIT',
      ])
      expect(await valuesLike('in one message')).toEqual(['in one message'])
    })

    it('is rolled back when its very first statement fails, and the connection stays fit for use', async () => {
      await withConnection(client, {}, async (session) => {
        const work = session.transaction(() => session.query('SELECT 1 / 0'))
        await expect(work).rejects.toMatchObject({ code: '22012' })
        await expect(session.query('SELECT 1::text AS one')).resolves.toMatchObject({ rows: [{ one: '1' }] })
      })
    })

    it('is committed with its last statement in one message, and rolled back when that fails', async () => {
      const { sent, counting } = countingClient()
      await withConnection(counting, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('last but one')`)
          await session.finish(`INSERT INTO kept VALUES ('last of all')`)
        }),
      )
      expect(sent.at(-1)).toBe(`INSERT INTO kept VALUES ('last of all');\nCOMMIT`)
      expect(await valuesLike('last%')).toEqual(['last but one', 'last of all'])
      await withConnection(client, {}, async (session) => {
        const failing = session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('never kept')`)
          await session.finish('SELECT 1 / 0')
        })
        await expect(failing).rejects.toMatchObject({ code: '22012' })
        await expect(session.query('SELECT 1::text AS one')).resolves.toMatchObject({ rows: [{ one: '1' }] })
      })
      expect(await valuesLike('never kept')).toEqual([])
    })

    it('whose last statement went to a server that was lost may be committed, and says so', async () => {
      const { spoilt } = spoil(client, async (connection, text, values) => {
        const answer = await connection.query(text, values)
        if (text.endsWith('COMMIT')) throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
        return answer
      })
      const work = withConnection(spoilt, {}, (session) =>
        session.transaction(() => session.finish(`INSERT INTO kept VALUES ('perhaps kept')`)),
      )
      await expect(work).rejects.toThrow(/not known whether it was/)
      expect(await valuesLike('perhaps kept')).toEqual(['perhaps kept'])
    })

    it('that was stopped before its last statement is not committed', async () => {
      const stop = new AbortController()
      const work = withConnection(client, { signal: stop.signal }, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('stopped')`)
          stop.abort()
          await session.finish('SELECT 1')
        }),
      )
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      expect(await valuesLike('stopped')).toEqual([])
    })

    it('is refused inside another', async () => {
      const work = withConnection(client, {}, (session) =>
        session.transaction(() => session.transaction(async () => undefined)),
      )
      await expect(work).rejects.toBeInstanceOf(PartitionError)
    })

    it('that cannot be rolled back costs its connection', async () => {
      const { spoilt, lastPid } = spoil(client, async (connection, text, values) => {
        if (text === 'ROLLBACK') throw new Error('the answer was lost')
        return connection.query(text, values)
      })
      const work = withConnection(spoilt, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('half')`)
          throw new Error('no')
        }),
      )
      await expect(work).rejects.toThrow('no')
      await hasEnded(lastPid())
      expect(await valuesLike('half')).toEqual([])
    })
  })

  describe('an abort', () => {
    it('cancels what runs on the server, and the connection is not used again', async () => {
      const stop = new AbortController()
      const { work, pid } = await sleeping(client, stop.signal)
      const before = performance.now()
      stop.abort()
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      expect(performance.now() - before).toBeLessThan(10_000)
      await hasEnded(pid)
    })

    it('ends a wait for a lock and rolls the transaction back', async () => {
      const holder = await database.pool.connect()
      await holder.query('BEGIN')
      await holder.query('LOCK TABLE kept IN SHARE MODE')
      const stop = new AbortController()
      let pid = 0
      const work = withConnection(client, { signal: stop.signal }, (session) =>
        session.transaction(async () => {
          pid = session.pid
          await session.query('CREATE TABLE not_kept ()')
          await session.query(`INSERT INTO kept VALUES ('waiting')`)
        }),
      )
      await until(async () => pid !== 0)
      await isWaitingIn('relation', pid)
      stop.abort()
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      await holder.query('COMMIT')
      holder.release()
      await hasEnded(pid)
      expect(await database.sql(`SELECT to_regclass('not_kept')::text AS found`)).toEqual([{ found: null }])
    })

    it('between two statements keeps the next one from being sent, and the transaction from being committed', async () => {
      const stop = new AbortController()
      const work = withConnection(client, { signal: stop.signal }, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('aborted 1')`)
          stop.abort()
          await expect(session.query(`INSERT INTO kept VALUES ('aborted 2')`)).rejects.toBeInstanceOf(
            RunAbortedError,
          )
        }),
      )
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      expect(await valuesLike('aborted%')).toEqual([])
    })

    it('with an error of the library as its reason rejects with that error', async () => {
      const lost = new LockLostError('The lock was lost.')
      const stop = new AbortController()
      const { work } = await sleeping(client, stop.signal)
      stop.abort(lost)
      await expect(work).rejects.toBe(lost)
    })

    it('ends the wait for a connection, and the one that comes later is given back', async () => {
      const pool = calmPool({ connectionString: database.url, max: 1 })
      const held = await pool.connect()
      const stop = new AbortController()
      const work = withConnection(fromPg(pool), { signal: stop.signal }, async () => undefined)
      expect(pool.waitingCount).toBe(1)
      stop.abort()
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      held.release()
      await until(async () => pool.idleCount === 1 && pool.waitingCount === 0)
      await pool.end()
    })

    it('that came before takes no connection', async () => {
      const work = withConnection(client, { signal: AbortSignal.abort() }, async () => undefined)
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
    })

    it('is served while the pool is full', async () => {
      const pool = calmPool({ connectionString: database.url, max: 1 })
      const stop = new AbortController()
      const { work } = await sleeping(fromPg(pool), stop.signal)
      stop.abort()
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      await pool.end()
    })

    it('is served through the pool when the pool does not tell how to connect', async () => {
      const { pool } = database
      const narrow: PgPoolLike = { connect: () => pool.connect() }
      const stop = new AbortController()
      const { work } = await sleeping(fromPg(narrow), stop.signal)
      stop.abort()
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
    })

    it('is sent again when the first request came to nothing', async () => {
      let requests = 0
      const deaf: DatabaseClient = {
        ...client,
        cancel: async (pid) => {
          requests += 1
          if (requests > 2) await client.cancel(pid)
          if (requests === 2) throw new Error('the network is gone for a moment')
        },
      }
      const stop = new AbortController()
      const { work } = await sleeping(deaf, stop.signal)
      stop.abort()
      await expect(work).rejects.toBeInstanceOf(RunAbortedError)
      expect(requests).toBeGreaterThanOrEqual(3)
    })
  })

  describe('a lost connection', () => {
    it('is a ConnectionFailedError that keeps the SQLSTATE', async () => {
      const { work, pid } = await sleeping(client, undefined)
      const failure = work.catch((reason: unknown) => reason)
      await database.sql('SELECT pg_terminate_backend($1)', [pid])
      const error: unknown = await failure
      expect(error).toBeInstanceOf(ConnectionFailedError)
      expect(String(error)).toMatch(/took effect is not known/)
      expect(sqlStateOf(error)).toBe('57P01')
    })

    it('before COMMIT says that nothing was committed', async () => {
      let lost: Promise<Error> | undefined
      const watched: DatabaseClient = {
        ...client,
        connect: async () => {
          const connection = await client.connect()
          lost = new Promise((resolve) => connection.onLost(resolve))
          return connection
        },
      }
      const work = withConnection(watched, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('lost')`)
          await database.sql('SELECT pg_terminate_backend($1)', [session.pid])
          await lost
        }),
      )
      await expect(work).rejects.toThrow(/was not committed, so nothing of it took effect/)
      await expect(work).rejects.toBeInstanceOf(ConnectionFailedError)
      expect(await valuesLike('lost')).toEqual([])
    })

    it('during COMMIT says that the outcome is not known', async () => {
      const { spoilt } = spoil(client, async (connection, text, values) => {
        const answer = await connection.query(text, values)
        if (text === 'COMMIT') throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
        return answer
      })
      const work = withConnection(spoilt, {}, (session) =>
        session.transaction(async () => {
          await session.query(`INSERT INTO kept VALUES ('in doubt')`)
        }),
      )
      await expect(work).rejects.toThrow(/not known whether it was/)
      await expect(work).rejects.toBeInstanceOf(ConnectionFailedError)
      expect(await valuesLike('in doubt')).toEqual(['in doubt'])
    })

    it('while another session works does not disturb that one', async () => {
      await withConnection(client, {}, async (one) => {
        await expect(
          withConnection(client, {}, (two) =>
            one
              .query('SELECT pg_terminate_backend($1::integer)', [two.pid])
              .then(() => two.query('SELECT 1')),
          ),
        ).rejects.toBeInstanceOf(ConnectionFailedError)
        await expect(one.query('SELECT 1::text AS one')).resolves.toMatchObject({ rows: [{ one: '1' }] })
      })
    })
  })

  describe('a server that cannot be reached', () => {
    it('is a ConnectionFailedError that says why', async () => {
      const pool = calmPool({ connectionString: 'postgres://postgres@127.0.0.1:1/postgres' })
      const work = withConnection(fromPg(pool), {}, async () => undefined)
      await expect(work).rejects.toThrow(/Could not connect to the database: .*ECONNREFUSED/)
      await expect(work).rejects.toBeInstanceOf(ConnectionFailedError)
      await pool.end()
    })

    it('also when it has no such database', async () => {
      const url = new URL(database.url)
      url.pathname = '/no_such_database'
      const pool = calmPool({ connectionString: url.href })
      const error: unknown = await withConnection(fromPg(pool), {}, async () => undefined).catch(
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(ConnectionFailedError)
      expect(sqlStateOf(error)).toBe('3D000')
      await pool.end()
    })
  })
})

type Send = (
  connection: DatabaseConnection,
  text: string,
  values: readonly unknown[] | undefined,
) => ReturnType<DatabaseConnection['query']>

/** A client whose connections send in another way; `lastPid` tells the session of the last one. */
function spoil(
  client: DatabaseClient,
  send: Send,
): { readonly spoilt: DatabaseClient; readonly lastPid: () => number } {
  let pid = 0
  const connect = async (): Promise<DatabaseConnection> => {
    const connection = await client.connect()
    pid = Number((await connection.query('SELECT pg_backend_pid() AS pid')).rows[0]?.['pid'])
    return { ...connection, query: (text, values) => send(connection, text, values) }
  }
  return { spoilt: { ...client, connect }, lastPid: () => pid }
}

/** Asks until the answer is yes; the time limit is that of the test. */
async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 10))
}
