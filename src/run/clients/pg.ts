import type { DatabaseClient, DatabaseConnection, QueryResult } from '../client.ts'
import { within } from '../within.ts'
import { heldConnection } from './held-connection.ts'
import { parameterText } from './parameter-text.ts'
import { rowsOf } from './rows.ts'

/** The part of a `pg` client that is used; a client of `pg` has it as it is. */
export interface PgClientLike {
  query(config: PgQueryConfig): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeListener(event: 'error' | 'end', listener: (error: Error) => void): unknown
  /** As the server named it when the connection was opened. */
  readonly processID?: number | null
}

export interface PgQueryConfig {
  text: string
  values?: (string | null)[]
  types: { getTypeParser(): (value: string | Buffer) => string }
  query_timeout?: number
}

/** The part of a `pg` Pool that is used; a Pool of `pg`, or one that behaves as it does, fits as it is. */
export interface PgPoolLike {
  connect(): Promise<PgClientLike & { release(destroy?: boolean): void }>
  readonly options?: {
    readonly max?: number | undefined
    readonly query_timeout?: number | false | undefined
    readonly host?: string | undefined
    readonly port?: number | undefined
    readonly connectionString?: string | undefined
  }
}

/** What `pool.Client` makes of `pool.options`: the way to a connection that the pool does not count. */
interface OwnClient extends PgClientLike {
  connect(): Promise<unknown>
  end(): Promise<unknown>
}
type OwnClientClass = new (options: unknown) => OwnClient

const cancelWithinMs = 5_000
const longestTimerMs = 2_147_483_647

const clients = new WeakMap<PgPoolLike, DatabaseClient>()

/**
 * Uses a `pg` Pool as it is. The pool stays the caller's: it is never closed here.
 *
 * The same pool always gives the same client, so that two parts can tell that they share its connections.
 */
export function fromPg(pool: PgPoolLike): DatabaseClient {
  const client = clients.get(pool) ?? makeClient(pool)
  clients.set(pool, client)
  return client
}

function makeClient(pool: PgPoolLike): DatabaseClient {
  const { max, query_timeout: queryTimeout } = pool.options ?? {}
  // pg's query_timeout only stops waiting for the answer: the server would go on with the statement.
  const config = typeof queryTimeout === 'number' && queryTimeout > 0 ? { query_timeout: longestTimerMs } : {}
  const server = serverOf(pool)
  return {
    ...(server !== undefined && { server }),
    capabilities: {
      concurrentSessions: true,
      severalStatements: true,
      ...(typeof max === 'number' ? { maxConnections: max } : {}),
    },
    connect: async () => pgConnection(await pool.connect(), config),
    cancel: (pid) => cancelBackend(pool, pid),
  }
}

/** Where the options say that the server is; what `pg` takes from the environment is not looked at. */
function serverOf({ options }: PgPoolLike): string | undefined {
  const { connectionString, host, port } = options ?? {}
  // A connection string wins in pg, too.
  if (typeof connectionString === 'string') return serverIn(connectionString)
  return typeof host === 'string' && host !== ''
    ? `${host}${port === undefined ? '' : `:${port}`}`
    : undefined
}

/** Host and port only: everything else in a connection string can be, or hold, the password. */
function serverIn(connectionString: string): string | undefined {
  if (!URL.canParse(connectionString)) return undefined
  const { host, searchParams, pathname, search, hash } = new URL(connectionString)
  // A password that is not escaped ends the host before its own end.
  if (`${pathname}${search}${hash}`.includes('@')) return undefined
  const named = host === '' ? searchParams.get('host') : host
  return named === null || named === '' ? undefined : named
}

function pgConnection(
  client: PgClientLike & { release(destroy?: boolean): void },
  config: Partial<PgQueryConfig>,
): DatabaseConnection {
  const connection = heldConnection({
    send: async (text, values) =>
      resultOf(await client.query({ ...config, ...textOnly, text, ...parameters(values) })),
    giveBack: (how) => {
      client.release(how !== 'keep')
      // In this order: the pool listens again from its release on.
      client.removeListener('end', onEnd)
      client.removeListener('error', connection.lose)
    },
    openedWith: () => client.processID ?? undefined,
  })
  const onEnd = (): void => {
    connection.lose(new Error('The server or the network ended the connection.'))
  }
  // A checked-out client has no other listener: without this one an 'error' event would end the process.
  client.on('error', connection.lose)
  client.on('end', onEnd)
  return connection
}

/** The server's text of every value, whatever parsers the application has set. */
const textOnly: Pick<PgQueryConfig, 'types'> = {
  types: { getTypeParser: () => (value) => (typeof value === 'string' ? value : value.toString('utf8')) },
}

/** Without values pg uses the simple protocol, in which any command can be sent. */
function parameters(values: readonly unknown[] | undefined): { readonly values?: (string | null)[] } {
  return values === undefined || values.length === 0 ? {} : { values: values.map(parameterText) }
}

/** pg answers to several statements in one text with a list of results. */
function resultOf(answer: unknown): QueryResult {
  return { rows: rowsOf(Array.isArray(answer) ? answer.at(-1) : answer) }
}

/** On a connection of its own, because a run must be stoppable while the pool is full; from the pool if that fails. */
async function cancelBackend(pool: PgPoolLike, pid: number): Promise<void> {
  const text = `SELECT pg_catalog.pg_cancel_backend(${Math.trunc(pid)})`
  const OwnClient = ownClientClass(pool)
  if (OwnClient !== undefined) {
    try {
      // The options as they are and not a copy: pg hides the password from enumeration.
      await queryOnce(new OwnClient(pool.options), text)
      return
    } catch {
      // The server may be out of connections while the pool has an idle one.
    }
  }
  const client = await within(pool.connect(), {
    ms: cancelWithinMs,
    what: 'free connection to cancel with',
    late: (unused) => {
      unused.release()
    },
  })
  const connection = pgConnection(client, {})
  try {
    await connection.query(text)
  } finally {
    await connection.release()
  }
}

async function queryOnce(client: OwnClient, text: string): Promise<void> {
  client.on('error', () => undefined)
  const work = client.connect().then(() => client.query({ ...textOnly, text }))
  try {
    await within(work, { ms: cancelWithinMs, what: 'answer to a cancel' })
  } finally {
    client.end().catch(() => undefined)
  }
}

function ownClientClass(pool: PgPoolLike): OwnClientClass | undefined {
  return hasOwnClient(pool) ? pool.Client : undefined
}

function hasOwnClient(pool: PgPoolLike): pool is PgPoolLike & { readonly Client: OwnClientClass } {
  return pool.options !== undefined && 'Client' in pool && typeof pool.Client === 'function'
}
