import { LockLostError } from '../../errors.ts'
import type { LockLease } from '../lock.ts'
import type { Logger } from '../logger.ts'
import { describeError } from '../sql-state.ts'
import { within } from '../within.ts'
import type { RedisLock } from './redis-scripts.ts'

const answerMs = 10_000
const releaseMs = 5_000

/** A point in time on both clocks of the process: one of them stands still while the machine sleeps, one may be set. */
export interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

export function moment(): Moment {
  return { monotonicMs: performance.now(), wallMs: Date.now() }
}

/** The longer of what the two clocks say, because too long only costs a run. */
function elapsedSince({ monotonicMs, wallMs }: Moment): number {
  return Math.max(performance.now() - monotonicMs, Date.now() - wallMs)
}

export interface RedisLeaseFacts {
  readonly key: string
  readonly name: string
  readonly token: string
  readonly fence: bigint
  readonly ttlMs: number
  /** When the request that took the lock was sent: the lock cannot end before `ttlMs` after it. */
  readonly since: Moment
  readonly logger: Logger
}

/** A lock in Redis that is held and renewed; it is trusted for its time to live from the moment a request was SENT. */
export class RedisLease implements LockLease {
  readonly #lock: RedisLock
  readonly #facts: RedisLeaseFacts
  readonly #lost = new AbortController()
  #since: Moment
  #renewal: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined
  #released: Promise<void> | undefined

  constructor(lock: RedisLock, facts: RedisLeaseFacts) {
    this.#lock = lock
    this.#facts = facts
    this.#since = facts.since
    this.#renewIn(facts.ttlMs / 3)
    this.#watchDeadline()
  }

  get key(): string {
    return this.#facts.key
  }

  get fencingToken(): bigint {
    return this.#facts.fence
  }

  get signal(): AbortSignal {
    return this.#lost.signal
  }

  /** Asks Redis, and renews at the same time. */
  async assertHeld(): Promise<void> {
    if (this.#released !== undefined) {
      throw new LockLostError(`${this.#facts.name}: the lock ${this.key} was released.`)
    }
    if (!this.signal.aborted) await this.#confirm()
    this.signal.throwIfAborted()
  }

  async #confirm(): Promise<void> {
    const ms = Math.min(answerMs, this.#trustedMs())
    if (ms <= 0) return this.#loseTrust()
    const sent = moment()
    try {
      this.#answered(await within(this.#renew(), { ms, what: 'answer from Redis' }), sent)
    } catch (error) {
      this.#lose(`Redis did not confirm it (${describeError(error)})`, error)
    }
  }

  release(): Promise<void> {
    return (this.#released ??= this.#release())
  }

  async #release(): Promise<void> {
    this.#stop()
    const { name, token, ttlMs, logger } = this.#facts
    try {
      const was = await within(this.#lock.release(token), { ms: releaseMs, what: 'answer from Redis' })
      logger.debug(
        `${name}: the lock ${this.key} ${was ? 'was released' : 'was gone before it was released'}.`,
      )
    } catch (error) {
      logger.warn(
        `${name}: the lock ${this.key} could not be released (${describeError(error)}); ` +
          `it ends by itself within ${Math.ceil(ttlMs / 1000)} s.`,
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  #renew(): Promise<boolean> {
    return this.#lock.renew(this.#facts.token, this.#facts.ttlMs)
  }

  #renewIn(ms: number): void {
    // Spread by a fifth, so that many leases do not ask at the same moment. It does not keep the process alive.
    this.#renewal = setTimeout(() => void this.#renewInTurn(), ms * (0.8 + Math.random() * 0.4)).unref()
  }

  async #renewInTurn(): Promise<void> {
    const { name, ttlMs, logger } = this.#facts
    const sent = moment()
    try {
      this.#answered(await this.#renew(), sent)
      if (!this.#isOver()) this.#renewIn(ttlMs / 3)
    } catch (error) {
      if (this.#isOver()) return
      logger.warn(
        `${name}: the lock ${this.key} could not be renewed (${describeError(error)}); trying again.`,
      )
      this.#renewIn(ttlMs / 12)
    }
  }

  #answered(isOurs: boolean, sent: Moment): void {
    if (!isOurs) return this.#lose('it expired, or its key was removed')
    // An older request may be answered after a newer one.
    if (sent.monotonicMs > this.#since.monotonicMs) this.#since = sent
  }

  #trustedMs(): number {
    return this.#facts.ttlMs - elapsedSince(this.#since)
  }

  #watchDeadline(): void {
    const ms = this.#trustedMs()
    if (ms <= 0) return this.#loseTrust()
    this.#deadline = setTimeout(() => {
      this.#watchDeadline()
    }, ms).unref()
  }

  #loseTrust(): void {
    this.#lose(`it could not be renewed for ${Math.round(elapsedSince(this.#since))} ms`)
  }

  #lose(reason: string, cause?: unknown): void {
    if (this.#isOver()) return
    this.#stop()
    const message = `${this.#facts.name}: the lock ${this.key} was lost: ${reason}. The run stops before its next statement.`
    this.#facts.logger.warn(message)
    this.#lost.abort(new LockLostError(message, { cause }))
  }

  #isOver(): boolean {
    return this.#released !== undefined || this.signal.aborted
  }

  #stop(): void {
    clearTimeout(this.#renewal)
    clearTimeout(this.#deadline)
  }
}
