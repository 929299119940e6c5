import type { DatabaseClient, DatabaseConnection } from '../client.ts'
import { hasSqlState } from '../sql-state.ts'
import type { ClientChecks, One } from './client-under-test.ts'
import { pidOf, withOne } from './client-under-test.ts'
import { must, mustEqual, rejectionOf, soon, until } from './conformance-case.ts'

/** What a client must do whose connections are sessions of their own. */
export const casesOfSeveralSessions: ClientChecks = {
  'two connections are two sessions': (client) =>
    withOne(client, (one) =>
      withOne(client, async (two) => {
        must(one.pid !== two.pid, `Both connections are the session ${one.pid}.`)
        await one.query('BEGIN')
        await one.query(`INSERT INTO ${one.table} VALUES ('x')`)
        await one.query(`SET LOCAL lock_timeout = '321ms'`)
        const { rows } = await two.query(`SELECT current_setting('lock_timeout') AS value`)
        must(rows[0]?.['value'] !== '321ms', 'A setting of one connection holds for the other.')
        await one.query('ROLLBACK')
      }),
    ),

  'a connection that says which process it was opened with names its own session': async (client) => {
    const connection = await client.connect()
    try {
      const pid = await pidOf(connection)
      const opened = connection.openedWith?.()
      must(
        opened === undefined || opened === pid,
        `The connection says that it was opened with the process ${opened}, and its session is ${pid}.`,
      )
    } finally {
      await connection.release()
    }
  },

  'a running statement can be cancelled, and the connection used afterwards': (client) =>
    withOne(client, async ({ query, pid }) => {
      await cancelled(client, { query, pid })
      mustEqual(
        (await query('SELECT 1::text AS one')).rows[0]?.['one'],
        '1',
        'The answer after the cancellation',
      )
    }),

  'a full pool does not keep a statement from being cancelled': async (client) => {
    const { maxConnections } = client.capabilities
    if (maxConnections === undefined || maxConnections > 20) return
    const others: DatabaseConnection[] = []
    await withOne(client, async ({ query, pid }) => {
      while (others.length < maxConnections - 1) others.push(await client.connect())
      await cancelled(client, { query, pid })
    })
    for (const other of others) await other.release()
  },

  'a connection that is discarded is closed': (client) =>
    withOne(client, async ({ query }) => {
      const connection = await client.connect()
      const pid = await pidOf(connection)
      await connection.query('BEGIN')
      await connection.release(true)
      await until(
        async () => !(await isConnected(query, pid)),
        `The end of session ${pid}, which was discarded,`,
      )
      const next = await client.connect()
      must((await pidOf(next)) !== pid, 'The discarded session was given out again.')
      await next.release()
    }),

  'a lost connection is noticed, refuses to be used and can be given back': (client) =>
    withOne(client, async ({ query }) => {
      const connection = await client.connect()
      const pid = await pidOf(connection)
      const lost = new Promise<Error>((resolve) => connection.onLost(resolve))
      const calls: string[] = []
      connection.onLost(() => calls.push('listening'))
      connection.onLost(() => calls.push('stopped'))()
      await query(`SELECT pg_terminate_backend(${pid})`)
      must(
        (await soon(lost, 'report of the lost connection')) instanceof Error,
        'onLost was called without an error.',
      )
      await soon(
        new Promise((resolve) => connection.onLost(resolve)),
        'report to a listener that came after the loss',
      )
      await rejectionOf(connection.query('SELECT 1'), 'A query on the lost connection')
      mustEqual(calls, ['listening'], 'The calls of the listeners')
      await connection.release(true)
      const next = await client.connect()
      must((await pidOf(next)) !== pid, 'The lost session was given out again.')
      await next.release()
    }),

  'a connection that is lost while a statement runs rejects the statement': (client) =>
    withOne(client, async ({ query }) => {
      const connection = await client.connect()
      const pid = await pidOf(connection)
      const running = rejectionOf(connection.query('SELECT pg_sleep(60)'), 'A statement of a lost connection')
      await until(() => isRunning(query, pid), `The start of the statement in session ${pid}`)
      await query(`SELECT pg_terminate_backend(${pid})`)
      await soon(running, 'end of the statement')
      await connection.release(true)
    }),
}

async function isConnected(query: One['query'], pid: number): Promise<boolean> {
  return (
    (await query('SELECT 1 AS one FROM pg_stat_activity WHERE pid = $1::integer', [String(pid)])).rows
      .length > 0
  )
}

async function isRunning(query: One['query'], pid: number): Promise<boolean> {
  const text = `SELECT 1 AS one FROM pg_stat_activity WHERE pid = $1::integer AND wait_event = 'PgSleep'`
  return (await query(text, [String(pid)])).rows.length > 0
}

/** Cancels a statement that would take a minute, again and again, as the first request may come before it. */
async function cancelled(client: DatabaseClient, { query, pid }: Pick<One, 'query' | 'pid'>): Promise<void> {
  let over = false
  const running = rejectionOf(query('SELECT pg_sleep(60)'), 'A cancelled statement').finally(() => {
    over = true
  })
  await until(async () => {
    if (!over) await client.cancel(pid)
    return over
  }, 'The end of the cancelled statement')
  const error = await running
  must(hasSqlState(error, 'queryCanceled'), `The statement ended with ${String(error)}, not with 57014.`)
}
