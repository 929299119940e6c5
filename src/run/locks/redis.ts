import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { ConnectionFailedError, LockAcquisitionError, PartitionError } from '../../errors.ts'
import type { TableName } from '../../model/table-name.ts'
import { formatTableName } from '../../model/table-name.ts'
import { checkOptions } from '../../policy/call-options.ts'
import { optionDefaults } from '../../policy/schema.ts'
import type { LockLease, LockManager } from '../lock.ts'
import type { Logger } from '../logger.ts'
import { silentLogger } from '../logger.ts'
import { throwIfAborted, untilAborted } from '../run-aborted.ts'
import { describeError } from '../sql-state.ts'
import { within } from '../within.ts'
import type { RedisLike, RedisSend } from './redis-client.ts'
import { toRedisSend } from './redis-client.ts'
import { moment, RedisLease } from './redis-lease.ts'
import type { RedisAnswer } from './redis-scripts.ts'
import { RedisLock } from './redis-scripts.ts'

export interface RedisLockOptions {
  /** How the keys begin: maintainers exclude each other only with the same prefix. Default `pg-partsmith`. */
  readonly prefix?: string
  /** How long the lock outlives a holder that stopped without releasing it, in milliseconds. Default 300000; 3000 to 86400000. */
  readonly ttlMs?: number
  readonly logger?: Logger
}

const answerMs = 10_000
const undoMs = 2_000

/**
 * One key with a time to live in Redis (or Valkey) per table, renewed while the lease lasts.
 *
 * It keeps maintainers from doing the same work; it is no proof, as a holder can be paused for longer than its lease.
 * The database stays safe without it: every destructive statement looks again under a lock of the table. It works
 * with one Redis or one cluster, and a failover may lose it. Each acquisition has a fencing number that grows.
 */
export class RedisDistributedLockManager implements LockManager {
  readonly #send: RedisSend
  readonly #prefix: string
  readonly #ttlMs: number
  readonly #logger: Logger

  constructor(redis: RedisLike, options: RedisLockOptions = {}) {
    checkOptions('redisLock', options)
    this.#send = toRedisSend(redis)
    this.#prefix = options.prefix ?? optionDefaults.lockPrefix
    this.#ttlMs = options.ttlMs ?? 300_000
    this.#logger = options.logger ?? silentLogger
  }

  async acquireLock(table: TableName, options: { readonly signal?: AbortSignal } = {}): Promise<LockLease> {
    const name = formatTableName(table)
    const stopped = {
      signal: options.signal,
      message: `${name}: the run was stopped before it had the lock.`,
    }
    throwIfAborted(stopped.signal, stopped.message)
    const token = `${process.pid}@${hostname()}#${randomBytes(16).toString('hex')}`
    const lock = this.#lockOf(table)
    const since = moment()
    const asked = lock.acquire(token, this.#ttlMs)
    let answer: RedisAnswer
    try {
      const answered = within(asked, { ms: answerMs, what: 'answer from Redis' })
      answer = await untilAborted(answered, stopped)
    } catch (error) {
      await this.#undo(asked, { lock, token, name })
      throw unreachable(name, error)
    }
    if (!answer.acquired) throw refusal(name, { ...answer, key: this.#keyOf(table) })

    const lease = new RedisLease(lock, {
      key: this.#keyOf(table),
      name,
      token,
      fence: answer.fence,
      ttlMs: this.#ttlMs,
      since,
      logger: this.#logger,
    })
    try {
      throwIfAborted(stopped.signal, stopped.message)
      lease.signal.throwIfAborted()
    } catch (error) {
      await lease.release()
      throw error
    }
    this.#logger.debug(`${name}: took the lock ${lease.key}, number ${answer.fence}.`)
    return lease
  }

  async isLocked(table: TableName): Promise<boolean> {
    try {
      return await within(this.#lockOf(table).exists(), { ms: answerMs, what: 'answer from Redis' })
    } catch (error) {
      throw unreachable(formatTableName(table), error)
    }
  }

  /**
   * Leaves no lock behind when the answer is not known: released now, in case the request was carried out and only the
   * answer was lost, and again when the request settles, in case it was still waiting to be sent.
   */
  async #undo(
    asked: Promise<unknown>,
    { lock, token, name }: { readonly lock: RedisLock; readonly token: string; readonly name: string },
  ): Promise<void> {
    const release = async (): Promise<void> => {
      await lock.release(token)
    }
    const released = Promise.allSettled([release(), asked.then(release, release)])
    try {
      const outcomes = await within(released, { ms: undoMs, what: 'answer from Redis' })
      if (outcomes.every(({ status }) => status === 'rejected')) throw new Error('Redis did not answer')
    } catch (error) {
      this.#logger.warn(
        `${name}: it is not known whether the lock was taken (${describeError(error)}). ` +
          `If it was, it ends by itself within ${Math.ceil(this.#ttlMs / 1000)} s.`,
      )
    }
  }

  #lockOf(table: TableName): RedisLock {
    const stem = this.#stemOf(table)
    return new RedisLock(this.#send, { lock: `${stem}:lock`, fence: `${stem}:fence` })
  }

  #keyOf(table: TableName): string {
    return `${this.#stemOf(table)}:lock`
  }

  #stemOf(table: TableName): string {
    return `{${this.#prefix}:${formatTableName(table)}}`
  }
}

function refusal(
  name: string,
  {
    holder,
    expiresInMs,
    key,
  }: { readonly holder: string; readonly expiresInMs: number; readonly key: string },
): LockAcquisitionError {
  const { pid, host } = /^(?<pid>\d+)@(?<host>[^#]+)#/.exec(holder)?.groups ?? {}
  const who = pid === undefined ? '' : ` (process ${pid} on ${host})`
  const rest =
    expiresInMs > 0 ? ` It ends by itself in ${Math.ceil(expiresInMs / 1000)} s unless it is renewed.` : ''
  return new LockAcquisitionError(
    `${name}: another maintainer holds the lock ${key}${who}. Nothing was done; run again when it has finished.${rest}`,
  )
}

function unreachable(name: string, error: unknown): PartitionError {
  if (error instanceof PartitionError) return error
  return new ConnectionFailedError(
    `${name}: Redis was asked for the lock and did not answer as it should (${describeError(error)}). ` +
      'Nothing was done; check the connection to Redis and run again.',
    { cause: error },
  )
}
