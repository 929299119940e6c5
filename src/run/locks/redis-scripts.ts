import { PartitionError } from '../../errors.ts'
import type { RedisSend } from './redis-client.ts'

/** The two keys of a lock. The braces put both on one node of a cluster. */
export interface RedisLockKeys {
  readonly lock: string
  /** Counts acquisitions and never expires. */
  readonly fence: string
}

export type RedisAnswer =
  | { readonly acquired: true; readonly fence: bigint }
  | { readonly acquired: false; readonly holder: string; readonly expiresInMs: number }

/**
 * The lock holds our token already when the request was sent twice because the answer to the first was lost: it is
 * ours, and the counter has not moved since.
 */
const acquireScript = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return {0, holder, redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if holder then
  return {1, redis.call('GET', KEYS[2])}
end
return {1, redis.call('INCR', KEYS[2])}`

const renewScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0`

const releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0`

const existsScript = `return redis.call('EXISTS', KEYS[1])`

/** One lock in Redis, for one token. Every change is a script that looks at the token first. */
export class RedisLock {
  readonly #send: RedisSend
  readonly #keys: RedisLockKeys

  constructor(send: RedisSend, keys: RedisLockKeys) {
    this.#send = send
    this.#keys = keys
  }

  async acquire(token: string, ttlMs: number): Promise<RedisAnswer> {
    const answer = await this.#eval(acquireScript, token, String(ttlMs))
    const [acquired, second, third] = Array.isArray(answer) ? answer.map(text) : []
    if (acquired === '1' && second !== undefined) return { acquired: true, fence: BigInt(second) }
    if (acquired === '0' && second !== undefined) {
      return { acquired: false, holder: second, expiresInMs: Number(third) }
    }
    throw new PartitionError(`Redis gave an answer that is not understood: ${JSON.stringify(answer)}.`)
  }

  /** Whether the lock was still ours; it then lasts for another `ttlMs`. */
  async renew(token: string, ttlMs: number): Promise<boolean> {
    return text(await this.#eval(renewScript, token, String(ttlMs))) === '1'
  }

  /** Whether the lock was ours and is now gone. */
  async release(token: string): Promise<boolean> {
    return text(await this.#eval(releaseScript, token)) === '1'
  }

  async exists(): Promise<boolean> {
    return text(await this.#eval(existsScript)) === '1'
  }

  #eval(script: string, ...values: readonly string[]): Promise<unknown> {
    return this.#send(['EVAL', script, '2', this.#keys.lock, this.#keys.fence, ...values])
  }
}

/** Clients answer with numbers, bigints, text or bytes, as they are set up. */
function text(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value)
}
