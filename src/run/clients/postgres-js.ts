import { InvalidPartitionConfigError } from '../../errors.ts'
import type { DatabaseClient, DatabaseConnection, QueryResult } from '../client.ts'
import { within } from '../within.ts'
import { heldConnection } from './held-connection.ts'
import { parameterText } from './parameter-text.ts'
import { turnstile } from './turnstile.ts'

/** The part of a postgres.js client that is used; its `sql` fits as it is. */
export interface PostgresJsLike extends PostgresJsQueries {
  reserve(): Promise<PostgresJsReserved>
  readonly options: {
    readonly max?: number | undefined
    readonly fetch_types?: boolean | undefined
    readonly transform?:
      | { readonly column?: { readonly from?: unknown }; readonly row?: { readonly from?: unknown } }
      | undefined
  }
}

interface PostgresJsQueries {
  unsafe(text: string, parameters?: unknown[], options?: object): { raw(): Promise<unknown> }
}

export interface PostgresJsReserved extends PostgresJsQueries {
  typed(value: string | null, type: number): unknown
  release(): void
}

/** The driver's own object for a connection, which it hands to `onexecute`. It stays when the session ends. */
interface DriverLink {
  /** Where the driver calls when the connection is closed: its own transactions listen here. */
  onclose?: unknown
  terminate?(): void
}

/** What the driver's query objects have beside being promises: the session, and how to cancel outside the pool. */
interface DriverQuery {
  readonly state?: { readonly pid?: number } | null
  readonly active?: boolean
  readonly canceller?: ((query: Pick<DriverQuery, 'state' | 'active'>) => Promise<unknown>) | null
}

type InFlight = Promise<unknown> & DriverQuery

/** What is known of the connections that are given out. */
interface Shared {
  readonly sql: PostgresJsLike
  /** The query in flight by the process ID of its session; undefined between two queries. */
  readonly sessions: Map<number, InFlight | undefined>
}

/** OID of the type `unknown`: the server finds the type, and the driver does not convert the text. */
const unknownType = 705
const waitMs = 5_000
const askAgainAfterMs = 10_000

/**
 * Uses a postgres.js client (3.4 or later). The client stays the caller's: it is never ended here.
 *
 * Throws `InvalidPartitionConfigError` for a client that renames columns or rows (`transform`), as the library could
 * not read its own queries, and for one with `fetch_types: false`, whose `reserve()` does not answer.
 */
export function fromPostgresJs(sql: PostgresJsLike): DatabaseClient {
  refuseUnusable(sql)
  const { max } = sql.options
  const shared: Shared = { sql, sessions: new Map() }
  const seats = turnstile(max ?? Number.POSITIVE_INFINITY)
  return {
    capabilities: { concurrentSessions: true, ...(max === undefined ? {} : { maxConnections: max }) },
    connect: async () => {
      const leave = await seats.enter()
      try {
        return openConnection(shared, { reserved: await reserve(sql), leave })
      } catch (error) {
        leave()
        throw error
      }
    },
    cancel: (pid) => cancelBackend(shared, pid),
  }
}

function refuseUnusable({ options }: PostgresJsLike): void {
  if (options.fetch_types === false) {
    throw new InvalidPartitionConfigError(
      'fromPostgresJs: this client has fetch_types: false, and postgres.js then never answers a reserve() that has ' +
        'to open a connection. Give the library a client of its own without that option.',
    )
  }
  const { column, row } = options.transform ?? {}
  if (typeof column?.from === 'function' || typeof row?.from === 'function') {
    throw new InvalidPartitionConfigError(
      'fromPostgresJs: this client changes the names of columns (transform), so the answers to the queries of the ' +
        'library could not be read. Give the library a client of its own without that option.',
    )
  }
}

function openConnection(
  { sessions }: Shared,
  { reserved, leave }: { readonly reserved: PostgresJsReserved; readonly leave: () => void },
): DatabaseConnection {
  let link: DriverLink | undefined
  let pid: number | undefined
  let used = false
  const connection = heldConnection({
    send: async (text, values = []) => {
      used = true
      const query = start(reserved, { text, values, onexecute: take })
      try {
        return readResult(await query)
      } finally {
        if (pid !== undefined) sessions.set(pid, undefined)
      }

      function take(taken: DriverLink): true {
        link = taken
        Object.assign(link, { onclose: connection.lose })
        pid = query.state?.pid
        if (pid !== undefined) sessions.set(pid, query)
        return true
      }
    },
    giveBack: async (how) => {
      if (pid !== undefined) sessions.delete(pid)
      // A lost connection is back with the driver already; releasing it would put a closed one up for the next query.
      if (how === 'close' && used) await close(reserved, link)
      else if (how !== 'lost') keep(reserved, link)
      leave()
    },
    openedWith: () => pid,
  })
  return connection
}

/** Sends a statement; `onexecute` is told the driver's connection, which no public function tells. */
function start(
  reserved: PostgresJsReserved,
  query: {
    readonly text: string
    readonly values: readonly unknown[]
    readonly onexecute?: (link: DriverLink) => true
  },
): InFlight {
  const parameters = query.values.map((value) => reserved.typed(parameterText(value), unknownType))
  const options = query.onexecute === undefined ? {} : { onexecute: query.onexecute }
  return reserved.unsafe(query.text, parameters, options).raw()
}

function keep(reserved: PostgresJsReserved, link: DriverLink | undefined): void {
  if (link !== undefined) Object.assign(link, { onclose: null })
  reserved.release()
}

/**
 * Closes a connection and waits for it: the driver forgets a `reserve()` that waits for a place while a connection
 * closes, so the place is given on afterwards.
 */
async function close(reserved: PostgresJsReserved, link: DriverLink | undefined): Promise<void> {
  if (link?.terminate === undefined) {
    await start(reserved, {
      text: 'SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())',
      values: [],
    }).then(
      () => undefined,
      () => undefined,
    )
    return
  }
  const closed = new Promise<void>((resolve) => {
    Object.assign(link, { onclose: resolve })
  })
  link.terminate()
  await within(closed, { ms: waitMs, what: 'end of the connection' }).catch(() => undefined)
}

/**
 * Takes a connection that a query of ours has opened. A connection that was lost while a statement ran reports that
 * loss once more to whoever opens it again, as the driver does not clear the error; a `reserve()` would be refused by
 * it, and the connection would then belong to nobody.
 *
 * Asks again now and then, as a `reserve()` that waits is forgotten when a connection closes; what comes twice goes
 * back.
 */
function reserve(sql: PostgresJsLike): Promise<PostgresJsReserved> {
  return new Promise((resolve, reject) => {
    let settled = false
    const settle = (): boolean => {
      clearInterval(again)
      return !settled && (settled = true)
    }
    const ask = (): void => {
      openOne(sql)
        .then(() => sql.reserve())
        .then(
          (reserved) => (settle() ? resolve(reserved) : reserved.release()),
          (error: Error) => (settle() ? reject(error) : undefined),
        )
    }
    const again = setInterval(ask, askAgainAfterMs)
    ask()
  })
}

const opening = `SELECT 'pg-partsmith takes a connection'`

async function openOne(sql: PostgresJsLike): Promise<void> {
  for (;;) {
    try {
      await sql.unsafe(opening).raw()
      return
    } catch (error) {
      if (!isOfAnEarlierStatement(error)) throw error
    }
  }
}

/** Told by the statement that the driver adds to its errors. */
function isOfAnEarlierStatement(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'query' in error &&
    typeof error.query === 'string' &&
    error.query !== opening
  )
}

async function cancelBackend({ sql, sessions }: Shared, pid: number): Promise<void> {
  if (sessions.has(pid)) {
    const query = sessions.get(pid)
    // Nothing runs there, or the driver's own way exists: no place in the pool is needed.
    if (query === undefined || (await cancelQuery(query))) return
  }
  const reserved = await within(reserve(sql), {
    ms: waitMs,
    what: 'free connection to cancel with',
    late: (unused) => {
      unused.release()
    },
  })
  try {
    await start(reserved, { text: `SELECT pg_catalog.pg_cancel_backend(${Math.trunc(pid)})`, values: [] })
  } finally {
    reserved.release()
  }
}

/** Whether the driver could be told to cancel. Unlike `query.cancel()` this can be repeated, and its failure is seen. */
async function cancelQuery(query: InFlight): Promise<boolean> {
  const { canceller, state, active } = query
  if (typeof canceller !== 'function' || state === null || state === undefined || active !== true)
    return false
  const over = query.then(
    () => undefined,
    () => undefined,
  )
  try {
    // With TLS the driver does not tell when the request was sent; the end of the query tells.
    await within(Promise.race([canceller({ state, active }), over]), {
      ms: waitMs,
      what: 'answer to a cancel',
    })
    return true
  } catch {
    return false
  }
}

interface RawResult extends ReadonlyArray<readonly (Uint8Array | null)[]> {
  readonly columns: readonly { readonly name: string }[]
}

/** The bytes of every value are the server's text, whatever parsers the client, or a layer above it, has set. */
function readResult(answer: unknown): QueryResult {
  const result: unknown = Array.isArray(answer) && !('command' in answer) ? answer.at(-1) : answer
  if (!isRawResult(result)) return { rows: [] }
  const names = result.columns.map(({ name }) => name)
  return {
    rows: result.map((row) =>
      Object.fromEntries(names.map((name, index) => [name, textOf(row[index] ?? null)])),
    ),
  }
}

function isRawResult(result: unknown): result is RawResult {
  return Array.isArray(result) && 'columns' in result && Array.isArray(result.columns)
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}
