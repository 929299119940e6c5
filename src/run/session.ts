import { ConnectionFailedError, PartitionError } from '../errors.ts'
import type { TransactionMode } from '../sql/begin.ts'
import { beginText } from '../sql/begin.ts'
import type { DatabaseClient, DatabaseConnection, QueryResult } from './client.ts'
import { cancelOnAbort } from './cancel-on-abort.ts'
import { giveBack, openConnection } from './open-connection.ts'
import { abortErrorOf, throwIfAborted } from './run-aborted.ts'
import type { Asking } from './session-limits.ts'
import { beginPooled, openSession, timeoutAdvice } from './session-limits.ts'
import { describeError, hasSqlState, isConnectionFailure, sqlStateOf } from './sql-state.ts'
import { within } from './within.ts'

/** A connection of one's own for as long as a piece of work takes. */
export interface Session {
  /** The process ID of the session on the server, as in `pg_stat_activity`; 0 where a pooler may change it any time. */
  readonly pid: number
  /** Whether a pooler stands in between: outside of a transaction, each statement may run in another session. */
  readonly isPooled: boolean
  /** Whether one text may hold several statements, as the client says. */
  readonly takesSeveral: boolean
  /**
   * Runs one statement; several at once are sent one after the other.
   *
   * Rejects with the driver's error and its SQLSTATE, with `ConnectionFailedError` when the connection was lost (the
   * statement may have taken effect), or with `RunAbortedError` after the abort. A statement that was already done
   * when the cancellation came still gives its result.
   */
  query(text: string, values?: readonly unknown[]): Promise<QueryResult>
  /**
   * Runs `work` between BEGIN and COMMIT; ROLLBACK when it throws or the run was stopped.
   *
   * Resolves only when the server confirmed the COMMIT. When the answer to it was lost, rejects with a
   * `ConnectionFailedError` that says so: whether the transaction took effect is then not known.
   */
  transaction<T>(work: () => Promise<T>, mode?: TransactionMode): Promise<T>
  /** Runs the last statement of the transaction, where possible in one message with the COMMIT; nothing may follow it. */
  finish(text: string): Promise<void>
}

export interface SessionOptions {
  /** Stops the work: what runs on the server is cancelled, and nothing is sent any more. */
  readonly signal?: AbortSignal | undefined
  /** How long a statement may go unanswered before its connection counts as lost; without it, for ever. */
  readonly silenceMs?: number | undefined
}

/** No catalog query takes so long, even of a slow server: what has not answered by then never will. */
export const longestSilenceMs = 120_000

/**
 * Takes a connection, gives it to `work` as a session, and gives it back whatever happens.
 *
 * It is closed instead of given back when its state is not known: after a lost connection, a failed ROLLBACK, an
 * error that the server did not send, and after an abort, as a cancellation may still be on its way.
 */
export async function withConnection<T>(
  client: DatabaseClient,
  { signal, silenceMs }: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const connection = await openConnection(client, signal)
  const session = new ConnectionSession(connection, { client, signal, silenceMs })
  try {
    await session.open()
    return await work(session)
  } finally {
    await session.end()
  }
}

const rollbackMs = 5_000

/** How long a message has taken to the server and back, at best: what no statement of the client can be faster than. */
const roundTrips = new WeakMap<DatabaseClient, number>()

export function roundTripMs(client: DatabaseClient): number {
  return roundTrips.get(client) ?? 0
}

class ConnectionSession implements Session {
  readonly #connection: DatabaseConnection
  readonly #client: DatabaseClient
  readonly #signal: AbortSignal | undefined
  readonly #silenceMs: number | undefined
  readonly #stopListening: () => void
  #pid: number | undefined
  #isPooled = false
  #putBack: string | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #over = false
  #discard = false
  #loss: Error | undefined
  #inTransaction = false
  #statementFailed = false
  /** The statement that begins the transaction, to be sent together with the first one in it. */
  #begin: string | undefined
  #committed = false

  constructor(connection: DatabaseConnection, run: SessionOptions & { readonly client: DatabaseClient }) {
    this.#connection = connection
    this.#client = run.client
    this.#signal = run.signal
    this.#silenceMs = run.silenceMs
    this.#stopListening = connection.onLost((error) => {
      this.#loss ??= error
      this.#discard = true
    })
  }

  get pid(): number {
    return this.#pid ?? 0
  }

  get takesSeveral(): boolean {
    return this.#client.capabilities.severalStatements === true
  }

  get isPooled(): boolean {
    return this.#isPooled
  }

  /** Finds out which process there is to cancel, and whether it stays the same one. */
  async open(): Promise<void> {
    const { pid, isPooled, putBack } = await openSession(this.#asking())
    this.#isPooled = isPooled
    this.#putBack = putBack
    if (!isPooled) this.#pid = pid
  }

  #asking(): Asking {
    return {
      client: this.#client,
      send: (text) => this.query(text),
      openedWith: () => this.#connection.openedWith?.(),
      signal: this.#signal,
    }
  }

  async query(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    if (this.#over)
      throw new PartitionError('A statement was sent after its session had ended; await every query.')
    const turn = this.#tail.then(async () => {
      throwIfAborted(this.#signal, 'The run was stopped before its next statement was sent.')
      try {
        return await this.#sendInTransaction(text, values)
      } catch (error) {
        this.#statementFailed = true
        throw this.#explain(error)
      }
    })
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  async transaction<T>(work: () => Promise<T>, mode: TransactionMode = {}): Promise<T> {
    if (this.#inTransaction) {
      throw new PartitionError('A transaction was begun inside a transaction of the same session.')
    }
    await this.#beginTransaction(beginText(mode))
    this.#inTransaction = true
    this.#statementFailed = false
    this.#committed = false
    try {
      const result = await work()
      if (!this.#committed) await this.#commit()
      return result
    } catch (error) {
      await this.#rollback()
      throw error
    } finally {
      this.#inTransaction = false
      if (this.#isPooled) this.#pid = undefined
    }
  }

  async #beginTransaction(begin: string): Promise<void> {
    // A pooler keeps a session for a transaction, and only for that long.
    if (this.#isPooled) this.#pid = await beginPooled(this.#asking(), begin)
    else if (this.takesSeveral) this.#begin = begin
    else await this.query(begin)
  }

  async #sendInTransaction(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    const begin = this.#begin
    this.#begin = undefined
    if (begin === undefined) return this.#send(text, values)
    if (values === undefined || values.length === 0) return this.#send(`${begin};\n${text}`)
    await this.#send(begin)
    return this.#send(text, values)
  }

  /** Waits for what is still running and gives the connection back. */
  async end(): Promise<void> {
    this.#over = true
    await this.#tail
    if (this.#signal?.aborted === true) this.#discard = true
    if (this.#putBack !== undefined && !this.#discard) await this.#putTimeoutsBack(this.#putBack)
    this.#stopListening()
    await giveBack(this.#connection, this.#discard)
  }

  async finish(text: string): Promise<void> {
    // Behind a pooler a cancellation of the statement could hit whom the session belongs to after the COMMIT.
    if (this.#isPooled || !this.takesSeveral) await this.query(text)
    else await this.#commit(text)
  }

  async #commit(last?: string): Promise<void> {
    await this.#tail
    // The server answers COMMIT in a failed transaction with a rollback and without an error.
    if (this.#statementFailed) await this.query('SELECT 1')
    throwIfAborted(
      this.#signal,
      'The run was stopped before its transaction was committed; it was rolled back.',
    )
    if (this.#loss !== undefined) throw this.#explain(this.#loss)
    if (this.#begin !== undefined && last === undefined) return this.#neverBegun()
    // With the COMMIT the session may go on to somebody else, whom a cancellation must not hit.
    if (this.#isPooled) this.#pid = undefined
    try {
      await (last === undefined ? this.#send('COMMIT') : this.#sendInTransaction(`${last};\nCOMMIT`))
      this.#committed = true
    } catch (error) {
      // Who heard nothing for too long has not heard of the COMMIT.
      const isLate = hasSqlState(this.#loss ?? error, 'idleInTransactionSessionTimeout')
      if (isLate || this.#wasAnswered(error)) throw this.#explain(error)
      this.#discard = true
      throw new ConnectionFailedError(
        `The connection was lost while a transaction was being committed (${describeError(error)}), so it is not ` +
          'known whether it was. Run again: the database is read anew and only what is missing is done.',
        { cause: error },
      )
    }
  }

  /** Nothing was sent, so there is nothing to end. */
  #neverBegun(): void {
    this.#begin = undefined
  }

  async #putTimeoutsBack(text: string): Promise<void> {
    try {
      await within(this.#connection.query(text), { ms: rollbackMs, what: 'answer to a setting' })
    } catch {
      this.#discard = true
    }
  }

  async #rollback(): Promise<void> {
    await this.#tail
    if (this.#begin !== undefined) return this.#neverBegun()
    if (this.#discard) return
    try {
      // Not cancelled by an abort: this is what the abort waits for.
      await within(this.#connection.query('ROLLBACK'), { ms: rollbackMs, what: 'answer to ROLLBACK' })
    } catch {
      this.#discard = true
    }
  }

  async #send(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    const cancellation = cancelOnAbort({
      client: this.#client,
      pid: this.#pid,
      signal: this.#signal,
      pooled: this.#isPooled,
    })
    const sent = performance.now()
    try {
      const result = await Promise.race([this.#answer(text, values), cancellation.givenUp])
      const tookMs = performance.now() - sent
      roundTrips.set(this.#client, Math.min(tookMs, roundTrips.get(this.#client) ?? tookMs))
      return result
    } finally {
      await cancellation.stop()
    }
  }

  async #answer(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    const answer = this.#connection.query(text, values)
    if (this.#silenceMs === undefined) return answer
    let isLate = true
    const settled = answer.finally(() => {
      isLate = false
    })
    try {
      return await within(settled, { ms: this.#silenceMs, what: 'answer from the server' })
    } catch (error) {
      if (isLate && error instanceof Error) this.#loss ??= error
      throw error
    }
  }

  /** Whether it was the server that refused the statement, in a session that goes on. */
  #wasAnswered(error: unknown): boolean {
    return this.#loss === undefined && sqlStateOf(error) !== undefined && !isConnectionFailure(error)
  }

  #explain(error: unknown): unknown {
    // Where the server did not answer, the statement may still be running there.
    if (!this.#wasAnswered(error)) this.#discard = true
    if (this.#signal?.aborted === true) {
      const message = `The run was stopped while a statement was running (${describeError(error)}).`
      return abortErrorOf(this.#signal, message)
    }
    if (this.#loss === undefined && !isConnectionFailure(error)) return error
    const consequence = this.#inTransaction
      ? 'Its transaction was not committed, so nothing of it took effect.'
      : 'Whether the statement that was running took effect is not known.'
    return new ConnectionFailedError(
      `The database connection was lost (${describeError(this.#loss ?? error)}). ${consequence}${timeoutAdvice(this.#loss ?? error)}`,
      { cause: this.#loss ?? error },
    )
  }
}
