import type { DatabaseClient, DatabaseConnection, QueryResult } from '../client.ts'
import { within } from '../within.ts'
import { heldConnection } from './held-connection.ts'
import { parameterText } from './parameter-text.ts'
import { rowsOf } from './rows.ts'
import { turnstile } from './turnstile.ts'

/** The part of a PGlite that is used; a PGlite fits as it is. */
export interface PgliteLike extends PgliteQueries {
  transaction<T>(work: (transaction: PgliteTransaction) => Promise<T>): Promise<T>
}

export interface PgliteQueries {
  query(text: string, values?: unknown[], options?: object): Promise<PgliteAnswer>
  exec(text: string, options?: object): Promise<readonly PgliteAnswer[]>
}

export interface PgliteTransaction extends PgliteQueries {
  rollback(): Promise<void>
}

export interface PgliteAnswer {
  readonly rows: readonly unknown[]
}

/** A wait for oneself would otherwise never end. */
const waitMs = 60_000

const clients = new WeakMap<PgliteLike, DatabaseClient>()

/**
 * Uses a PGlite database, for development and tests. It stays the caller's: it is never closed here.
 *
 * PGlite has one session, so `connect()` gives it to one caller at a time and the next one waits; whoever holds a
 * connection must not ask for another. A transaction is run as one of PGlite's own, so that other users of the same
 * database wait for its end instead of taking part in it. Nothing can be cancelled: an abort is seen between two
 * statements. The same database always gives the same client.
 */
export function fromPglite(db: PgliteLike): DatabaseClient {
  const existing = clients.get(db)
  if (existing !== undefined) return existing
  const seat = turnstile(1)
  const sitDown = (): Promise<() => void> =>
    within(seat.enter(), {
      ms: waitMs,
      what: 'free connection (PGlite has one session; whoever holds it must not ask for another)',
      late: (leave) => {
        leave()
      },
    })
  const client: DatabaseClient = {
    capabilities: { concurrentSessions: false },
    connect: async () => openConnection(db, await sitDown()),
    cancel: async () => undefined,
  }
  clients.set(db, client)
  return client
}

function openConnection(db: PgliteLike, leave: () => void): DatabaseConnection {
  let transaction: OpenTransaction | undefined
  const end = async (how: 'commit' | 'rollback'): Promise<QueryResult> => {
    const ended = transaction
    transaction = undefined
    await ended?.end(how)
    return { rows: [] }
  }
  return heldConnection({
    send: async (text, values) => {
      const begin = transaction === undefined ? beginning.exec(text) : null
      if (begin !== null) {
        transaction = await beginTransaction(db, begin.groups?.['modes'] ?? '')
        return { rows: [] }
      }
      if (transaction !== undefined && commit.test(text)) return end('commit')
      if (transaction !== undefined && rollback.test(text)) return end('rollback')
      return send(transaction?.queries ?? db, { text, values })
    },
    giveBack: async () => {
      try {
        await end('rollback')
      } finally {
        leave()
      }
    },
  })
}

const beginning =
  /^\s*(?:BEGIN(?:\s+(?:WORK|TRANSACTION))?|START\s+TRANSACTION)\b\s*(?<modes>[^;]*?)\s*;?\s*$/i
const commit = /^\s*(?:COMMIT|END)(?:\s+(?:WORK|TRANSACTION))?\s*;?\s*$/i
const rollback = /^\s*(?:ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?\s*;?\s*$/i

interface OpenTransaction {
  readonly queries: PgliteQueries
  end(how: 'commit' | 'rollback'): Promise<void>
}

/** Opens one of PGlite's own transactions, which lasts until `end` is called. */
async function beginTransaction(db: PgliteLike, modes: string): Promise<OpenTransaction> {
  const transaction = await new Promise<OpenTransaction>((opened, failed) => {
    const finished = db.transaction(
      (queries) =>
        new Promise<void>((leave, fail) => {
          const end = async (how: 'commit' | 'rollback'): Promise<void> => {
            // PGlite commits when this function is left with its transaction still open.
            if (how === 'commit') leave()
            else queries.rollback().then(leave, fail)
            await finished
          }
          opened({ queries, end })
        }),
    )
    finished.catch(failed)
  })
  try {
    if (modes !== '') await transaction.queries.exec(`SET TRANSACTION ${modes}`)
    return transaction
  } catch (error) {
    await transaction.end('rollback')
    throw error
  }
}

async function send(
  queries: PgliteQueries,
  { text, values = [] }: { readonly text: string; readonly values: readonly unknown[] | undefined },
): Promise<QueryResult> {
  const answer =
    values.length === 0
      ? (await queries.exec(text, asText)).at(-1)
      : await queries.query(text, values.map(parameterText), asText)
  return { rows: rowsOf(answer) }
}

const same = (text: string): string => text

/** The types that PGlite converts, by OID, each left as the text that the server sends. */
const asText: object = {
  parsers: Object.fromEntries(
    [16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1114, 1184, 1700, 2950, 3802].map(
      (type) => [type, same],
    ),
  ),
  // Parameters are text already; a list would not know the types that the application adds.
  serializers: new Proxy({}, { get: () => same }),
}
