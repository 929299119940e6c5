import type { DatabaseClient, DatabaseConnection, QueryResult } from '../../src/run/client.ts'
import { watchMark } from '../../src/run/lock-watch.ts'

export interface SentStatement {
  /** Counts from 1 over all connections; undefined where a connection repeats its last statement, as a poll does. */
  readonly number: number | undefined
  readonly text: string
  /** The server process of the connection. */
  readonly pid: number
  /** Asks something on the same connection, unobserved; gives the first row. */
  readonly ask: (question: string) => Promise<Readonly<Record<string, unknown>>>
}

/** What happens around every statement; whatever it throws is thrown to the sender. */
export interface StatementObserver {
  beforeSending?(statement: SentStatement): Promise<void> | void
  /** The statement is on its way and not answered yet. */
  afterSending?(statement: SentStatement): void
  /** The server has answered and the sender does not know yet; not called for a refused statement. */
  beforeAnswer?(statement: SentStatement): Promise<void> | void
  /** A connection is given back, to be used again or to be closed. */
  beforeRelease?(connection: Pick<SentStatement, 'ask' | 'pid'> & { readonly closed: boolean }): Promise<void>
}

/**
 * The same client, with somebody who sees, delays or spoils what is sent through it.
 *
 * Only the statements of the lock watch go by unseen: whether and when it looks depends on how long a step takes, on a
 * connection that it has for itself. That this is given back is seen. And the limit of a pause in a transaction is not
 * sent.
 */
export function observedClient(client: DatabaseClient, observer: StatementObserver): DatabaseClient {
  let sent = 0
  const nextNumber = (): number => (sent += 1)
  return {
    // Statement by statement, so that something can happen before each of them.
    capabilities: { ...client.capabilities, severalStatements: false },
    connect: async () => observedConnection(await client.connect(), observer, nextNumber),
    cancel: (pid) => client.cancel(pid),
  }
}

/** The pauses are the observer's, who may take his time. */
const limitOfPauses =
  /^SELECT pg_catalog\.set_config\('idle_in_transaction_session_timeout', '\d+ms', true\)$/

async function observedConnection(
  connection: DatabaseConnection,
  observer: StatementObserver,
  nextNumber: () => number,
): Promise<DatabaseConnection> {
  const ask: SentStatement['ask'] = async (question) => (await connection.query(question)).rows[0] ?? {}
  const pid = await pidOf(connection, ask)
  let last = ''
  let isWatch = false
  return {
    query: async (text, values): Promise<QueryResult> => {
      isWatch ||= text.startsWith(watchMark)
      if (isWatch) return connection.query(text, values)
      if (limitOfPauses.test(text)) return { rows: [] }
      const statement = { number: text === last ? undefined : nextNumber(), text, pid, ask }
      last = text
      await observer.beforeSending?.(statement)
      const answer = connection.query(text, values)
      observer.afterSending?.(statement)
      const result = await answer
      await observer.beforeAnswer?.(statement)
      return result
    },
    release: async (discard) => {
      await observer.beforeRelease?.({ ask, pid, closed: discard === true })
      await connection.release(discard)
    },
    onLost: (listener) => connection.onLost(listener),
    // What is known of a direct session would be remembered for a while, and the statements not be the same each time.
    openedWith: () => {
      const named = connection.openedWith?.()
      return named === pid ? undefined : named
    },
  }
}

/** The database may be gone before a connection that nobody waits for any more has come; it still has to go back. */
async function pidOf(connection: DatabaseConnection, ask: SentStatement['ask']): Promise<number> {
  try {
    return Number((await ask('SELECT pg_catalog.pg_backend_pid()::text AS pid'))['pid'])
  } catch (error) {
    await connection.release(true)
    throw error
  }
}
