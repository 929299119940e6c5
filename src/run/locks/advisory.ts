import {
  ConnectionFailedError,
  InvalidPartitionConfigError,
  LockAcquisitionError,
  LockLostError,
  PartitionError,
} from '../../errors.ts'
import type { TableName } from '../../model/table-name.ts'
import { formatTableName } from '../../model/table-name.ts'
import { checkOptions } from '../../policy/call-options.ts'
import { optionDefaults } from '../../policy/schema.ts'
import {
  advisoryLockHolder,
  advisoryLockKey,
  beginLockTransaction,
  tryAdvisoryLock,
  whichTransaction,
} from '../../sql/advisory-lock.ts'
import type { Sql } from '../../sql/sql.ts'
import { toText } from '../../sql/sql.ts'
import type { DatabaseClient, DatabaseConnection, QueryResult } from '../client.ts'
import type { ClientSource } from '../clients/to-client.ts'
import { toClient } from '../clients/to-client.ts'
import type { LockLease, LockManager } from '../lock.ts'
import type { Logger } from '../logger.ts'
import { silentLogger } from '../logger.ts'
import { explainReading } from '../explain-failure.ts'
import { giveBack, openConnection } from '../open-connection.ts'
import { throwIfAborted } from '../run-aborted.ts'
import { beginPooled, openSession, timeoutAdvice } from '../session-limits.ts'
import { describeError, isConnectionFailure, sqlStateOf } from '../sql-state.ts'
import { within } from '../within.ts'
import { acquireInProcess, isLockedInProcess } from './in-process.ts'

export interface AdvisoryLockOptions {
  /** Part of the key: maintainers exclude each other only with the same prefix. Default `pg-partsmith`. */
  readonly prefix?: string
  readonly logger?: Logger
}

/** How long the lock's own connection may take for an answer before the lock counts as lost. */
const answer = { ms: 10_000, what: 'answer from the server' }

/**
 * One PostgreSQL advisory lock per table, held by a transaction of its own for as long as the lease lasts.
 *
 * It needs no table and no rights, ends with its connection, and excludes maintainers of the same database, also behind
 * a pooler in transaction mode, which keeps a server connection for a transaction. The transaction stands open in
 * between: it locks no table and keeps VACUUM from nothing. It takes one connection of the client for each lease: a
 * client of a single connection is refused.
 *
 * On a client without concurrent sessions (PGlite) no other session exists, so the lock excludes those who use the
 * same client in this process, and nobody else.
 */
export class PostgresAdvisoryLockManager implements LockManager {
  /** Where the locks' connections come from. */
  readonly client: DatabaseClient
  readonly #prefix: string
  readonly #logger: Logger

  constructor(client: ClientSource, options: AdvisoryLockOptions = {}) {
    checkOptions('advisoryLock', options)
    this.client = toClient(client)
    this.#prefix = options.prefix ?? optionDefaults.lockPrefix
    this.#logger = options.logger ?? silentLogger
    const { concurrentSessions, maxConnections } = this.client.capabilities
    if (concurrentSessions && maxConnections === 1) {
      throw new InvalidPartitionConfigError(
        'The client can open one connection only, and the lock holds one for the whole run: the run would wait for ' +
          'itself. Let it open at least 3 (max: 3).',
      )
    }
  }

  async acquireLock(table: TableName, options: { readonly signal?: AbortSignal } = {}): Promise<LockLease> {
    throwIfAborted(options.signal, notLocked(table))
    if (!this.client.capabilities.concurrentSessions) {
      return acquireInProcess(this.client, { prefix: this.#prefix, table })
    }
    const key = advisoryLockKey(this.#prefix, table)
    const connection = await openConnection(this.client, options.signal)
    const lease = new AdvisoryLease(connection, { client: this.client, key, table, logger: this.#logger })
    try {
      if (!(await lease.tryLock())) throw await lease.refusal()
      throwIfAborted(options.signal, notLocked(table))
    } catch (error) {
      await lease.release()
      throw explain(error, table)
    }
    this.#logger.debug(`${formatTableName(table)}: took the ${lease.key}.`)
    return lease
  }

  async isLocked(table: TableName): Promise<boolean> {
    if (!this.client.capabilities.concurrentSessions) {
      return isLockedInProcess(this.client, { prefix: this.#prefix, table })
    }
    const connection = await openConnection(this.client, undefined)
    try {
      const { rows } = await ask(connection, advisoryLockHolder(advisoryLockKey(this.#prefix, table)))
      return rows.length > 0
    } finally {
      await giveBack(connection, false)
    }
  }
}

function explain(error: unknown, table: TableName): unknown {
  if (error instanceof PartitionError) return error
  if (sqlStateOf(error) !== undefined && !isConnectionFailure(error)) return explainReading(error)
  return new ConnectionFailedError(
    `${formatTableName(table)}: the connection was lost before the run had the lock (${describeError(error)}). ` +
      `Nothing was done; run again.${timeoutAdvice(error)}`,
    { cause: error },
  )
}

function notLocked(table: TableName): string {
  return `${formatTableName(table)}: the run was stopped before it had the lock.`
}

class AdvisoryLease implements LockLease {
  readonly key: string
  readonly #connection: DatabaseConnection
  readonly #client: DatabaseClient
  readonly #lockKey: bigint
  readonly #name: string
  readonly #logger: Logger
  readonly #lost = new AbortController()
  readonly #stopListening: () => void
  /** Of the transaction: whether the connection can go back as it is, after a ROLLBACK, or not at all. */
  #state: 'none' | 'open' | 'in doubt' = 'none'
  #locked = false
  #transaction: string | undefined
  #putBack: string | undefined
  #released: Promise<void> | undefined

  constructor(
    connection: DatabaseConnection,
    lock: {
      readonly client: DatabaseClient
      readonly key: bigint
      readonly table: TableName
      readonly logger: Logger
    },
  ) {
    this.#connection = connection
    this.#client = lock.client
    this.#lockKey = lock.key
    this.#name = formatTableName(lock.table)
    this.#logger = lock.logger
    this.key = `advisory lock ${lock.key}`
    this.#stopListening = connection.onLost((error) => {
      this.#lose(`its session ended (${describeError(error)})`, error)
    })
  }

  get signal(): AbortSignal {
    return this.#lost.signal
  }

  async tryLock(): Promise<boolean> {
    this.#state = 'in doubt'
    const asking = {
      client: this.#client,
      send: (text: string): Promise<QueryResult> => send(this.#connection, text),
      openedWith: (): number | undefined => this.#connection.openedWith?.(),
    }
    const { isPooled, putBack } = await openSession(asking)
    this.#putBack = putBack
    const attempt = toText(tryAdvisoryLock(this.#lockKey))
    const isOneText = !isPooled && this.#client.capabilities.severalStatements === true
    if (isPooled) await beginPooled(asking, beginLockTransaction)
    else if (!isOneText) await send(this.#connection, beginLockTransaction)
    const { rows } = await send(
      this.#connection,
      isOneText ? `${beginLockTransaction};\n${attempt}` : attempt,
    )
    this.#state = 'open'
    this.#locked = rows[0]?.['locked'] === 'true'
    this.#transaction = transactionIn(rows[0])
    return this.#locked
  }

  async refusal(): Promise<LockAcquisitionError> {
    const { rows } = await ask(this.#connection, advisoryLockHolder(this.#lockKey))
    const heldForMs = rows[0]?.['held_for_ms']
    return new LockAcquisitionError(
      `${this.#name}: another maintainer holds the ${this.key}${describeHolder(rows[0])}. ` +
        'Nothing was done; run again when it has finished.',
      { heldForMs: typeof heldForMs === 'string' ? Number(heldForMs) : undefined },
    )
  }

  async assertHeld(): Promise<void> {
    if (this.#released !== undefined) throw new LockLostError(`${this.#name}: the ${this.key} was released.`)
    if (!this.signal.aborted) await this.#look()
    this.signal.throwIfAborted()
  }

  async #look(): Promise<void> {
    try {
      const { rows } = await ask(this.#connection, whichTransaction)
      // The lock ends with its transaction, and cannot be given back before.
      if (transactionIn(rows[0]) === this.#transaction) return
      this.#lose(
        `session ${String(rows[0]?.['pid'])} does not hold it any more; something ended its transaction, or a pooler ` +
          'gave the run another session',
      )
    } catch (error) {
      this.#lose(`its session does not answer (${describeError(error)})`, error)
    }
  }

  #lose(reason: string, cause?: unknown): void {
    if (this.signal.aborted || !this.#locked) return
    this.#state = 'in doubt'
    const message = `${this.#name}: the ${this.key} was lost: ${reason}. The run stops before its next statement.`
    this.#logger.warn(message)
    this.#lost.abort(new LockLostError(message, { cause }))
  }

  release(): Promise<void> {
    return (this.#released ??= this.#release())
  }

  async #release(): Promise<void> {
    this.#stopListening()
    await giveBack(this.#connection, !(await this.#leaveClean()))
  }

  /** Whether the connection holds nothing of ours any more; otherwise closing it releases the lock. */
  async #leaveClean(): Promise<boolean> {
    if (this.#state !== 'open') return this.#state === 'none'
    try {
      await send(this.#connection, 'ROLLBACK')
      if (this.#putBack !== undefined) await send(this.#connection, this.#putBack)
      return true
    } catch (error) {
      this.#logger.warn(
        `${this.#name}: the ${this.key} could not be released (${describeError(error)}); its connection is closed instead.`,
      )
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

function transactionIn(row: Readonly<Record<string, unknown>> | undefined): string {
  return `${String(row?.['pid'])} since ${String(row?.['begun'])}`
}

function ask(connection: DatabaseConnection, question: Sql): Promise<QueryResult> {
  return send(connection, toText(question))
}

function send(connection: DatabaseConnection, text: string): Promise<QueryResult> {
  return within(connection.query(text), answer)
}

function describeHolder(row: Readonly<Record<string, unknown>> | undefined): string {
  const text = (column: string): string | undefined => {
    const value = row?.[column]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const pid = text('pid')
  // It may have been released between the two questions.
  if (pid === undefined) return ''
  const application = text('application_name')
  const since = text('since')
  return (
    ` (server process ${pid}` +
    (application === undefined ? '' : `, application ${JSON.stringify(application)}`) +
    (since === undefined ? ')' : `, at work since ${since})`)
  )
}
