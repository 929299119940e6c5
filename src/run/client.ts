/**
 * What the library needs of a database driver.
 *
 * A `pg` Pool satisfies `PgPoolLike` as it is; `fromPostgresJs` and `fromPglite` adapt the others. A user's own
 * client implements `DatabaseClient` and can be checked with `clientConformance` from `pg-partsmith/testing`.
 */

export interface QueryResult {
  /** The rows, one object per row, keyed by column name. Statements without rows give an empty array. */
  readonly rows: readonly Record<string, unknown>[]
}

/** One session on the server, held by one caller at a time. */
export interface DatabaseConnection {
  /**
   * Sends one statement. Without `values` the text may be a command that cannot be prepared.
   *
   * Values are text, numbers, booleans, dates, bytes, lists of these, or null, and must arrive as they were given: the
   * type that the server finds for a parameter does not change them. What comes back is read only where the statement
   * makes it text.
   *
   * Rejects with an error that carries the five-character SQLSTATE as `code`.
   */
  query(text: string, values?: readonly unknown[]): Promise<QueryResult>
  /**
   * Gives the connection back; with `discard` it is closed instead, because its state is not known. Does nothing the
   * second time.
   */
  release(discard?: boolean): void | Promise<void>
  /** Calls the listener at most once, when the connection is lost. Returns a function that stops listening. */
  onLost(listener: (error: Error) => void): () => void
  /**
   * The process that the server named when the connection was opened; undefined as long as the driver does not know.
   * A pooler names one that it made up, and is recognised by that. Without it, the connection counts as one to the
   * server itself.
   */
  openedWith?(): number | undefined
}

export interface ClientCapabilities {
  /**
   * Whether two connections are two server sessions. Without it nothing runs concurrently: `connect` gives the one
   * session to one caller at a time, and whoever holds it must not ask for another. Default true.
   */
  readonly concurrentSessions: boolean
  /**
   * Whether a text without values may hold several statements, separated by semicolons: they are sent at once, none runs
   * after one that failed, and the rows are those of the last. Default false.
   */
  readonly severalStatements?: boolean
  /** The most connections that can be open at once, where the client tells; a maintenance run needs three. */
  readonly maxConnections?: number
}

/** A source of connections. The library never closes a client that it did not make. */
export interface DatabaseClient {
  /** Host and port, which messages about failed connections then name; never a user or a password. */
  readonly server?: string
  readonly capabilities: ClientCapabilities
  connect(): Promise<DatabaseConnection>
  /**
   * Cancels what the server process `pid` is running, on a connection that is not taken from the pool (a full pool
   * must not keep a run from being stopped). Resolves when the request was delivered.
   */
  cancel(pid: number): Promise<void>
}
