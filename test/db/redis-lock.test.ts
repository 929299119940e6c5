import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ConnectionFailedError,
  InvalidPartitionConfigError,
  LockAcquisitionError,
  LockLostError,
  RunAbortedError,
} from '../../src/errors.ts'
import type { TableName } from '../../src/model/table-name.ts'
import type { LockLease } from '../../src/run/lock.ts'
import { RedisDistributedLockManager } from '../../src/run/locks/redis.ts'
import { describeWithRedis } from '../support/redis.ts'
import type { TestRedisConnection } from '../support/redis-send.ts'
import { connectRedis } from '../support/redis-send.ts'

describeWithRedis('RedisDistributedLockManager', (url) => {
  let redis: TestRedisConnection
  let locks: RedisDistributedLockManager

  beforeAll(async () => {
    redis = await connectRedis(url)
    locks = new RedisDistributedLockManager(redis.send, { ttlMs: 3_000 })
  })
  afterAll(() => redis.close())

  const exists = async (table: TableName): Promise<boolean> =>
    (await redis.send(['EXISTS', lockKey(table)])) === 1

  it('sets one key with a time to live and a token that names the holder', async () => {
    const table = freshTable()
    await using lease = await locks.acquireLock(table)
    expect(lease.key).toBe(lockKey(table))
    expect(await redis.send(['GET', lease.key])).toMatch(new RegExp(`^${process.pid}@.+#[0-9a-f]{32}$`))
    const ttl = Number(await redis.send(['PTTL', lease.key]))
    expect(ttl).toBeGreaterThan(1_000)
    expect(ttl).toBeLessThanOrEqual(3_000)
  })

  it('names the holder in the error', async () => {
    const table = freshTable()
    await using lease = await locks.acquireLock(table)
    const attempt = locks.acquireLock(table)
    await expect(attempt).rejects.toBeInstanceOf(LockAcquisitionError)
    await expect(attempt).rejects.toThrow(
      new RegExp(
        `another maintainer holds the lock .*process ${process.pid} on .*It ends by itself in [1-3] s`,
      ),
    )
    await lease.assertHeld()
  })

  it('gives fencing numbers that grow, across holders and across the loss of the lock', async () => {
    const table = freshTable()
    const numbers: (bigint | undefined)[] = []
    for (let turn = 0; turn < 3; turn += 1) {
      const lease = await locks.acquireLock(table)
      numbers.push(lease.fencingToken)
      if (turn === 1) await redis.send(['DEL', lease.key])
      await lease.release()
    }
    expect(numbers).toEqual([1n, 2n, 3n])
  })

  it('renews the lock for as long as the lease lasts', async () => {
    const table = freshTable()
    const renewals = watch(redis)
    await using lease = await new RedisDistributedLockManager(renewals.send, { ttlMs: 3_000 }).acquireLock(
      table,
    )
    // Four renewals take longer than the time to live.
    await renewals.seen(4)
    expect(lease.signal.aborted).toBe(false)
    expect(await exists(table)).toBe(true)
    await lease.release()
    expect(await exists(table)).toBe(false)
  })

  describe('a lease that is lost', () => {
    it('aborts its signal when the key was removed', async () => {
      const lease = await locks.acquireLock(freshTable())
      const aborted = abortOf(lease)
      await redis.send(['DEL', lease.key])
      expect(await aborted).toBeInstanceOf(LockLostError)
      await expect(lease.assertHeld()).rejects.toBeInstanceOf(LockLostError)
      await lease.release()
    })

    it('is noticed by assertHeld before the next renewal', async () => {
      const lease = await locks.acquireLock(freshTable())
      await redis.send(['PEXPIRE', lease.key, '0'])
      await expect(lease.assertHeld()).rejects.toThrow(/was lost: it expired, or its key was removed/)
      expect(lease.signal.reason).toBeInstanceOf(LockLostError)
      await lease.release()
    })

    it('leaves the lock of the next holder alone', async () => {
      const table = freshTable()
      const first = await locks.acquireLock(table)
      await redis.send(['DEL', first.key])
      await using second = await locks.acquireLock(table)
      await expect(first.assertHeld()).rejects.toBeInstanceOf(LockLostError)
      await first.release()
      await second.assertHeld()
      expect(second.fencingToken).toBe(2n)
    })

    it('is given up when the renewals are not answered for as long as the key lives', async () => {
      const table = freshTable()
      const gate = hold(redis)
      const lease = await new RedisDistributedLockManager(gate.send, { ttlMs: 3_000 }).acquireLock(table)
      gate.close()
      const from = performance.now()
      const reason = await abortOf(lease)
      expect(performance.now() - from).toBeLessThan(20_000)
      expect(String(reason)).toMatch(/it could not be renewed for \d+ ms/)
      await gate.open()
      await lease.release()
    })

    it('is given up when the renewals fail until the end, and not for a single failure', async () => {
      let failures = 0
      const failing = async (command: readonly string[]): Promise<unknown> => {
        if (isRenewal(command) && failures >= 0) {
          failures += 1
          if (failures !== 2) throw new Error('READONLY You cannot write against a read only replica.')
        }
        return redis.send(command)
      }
      const warnings: string[] = []
      const logger = {
        debug: ignore,
        info: ignore,
        error: ignore,
        warn: (message: string) => warnings.push(message),
      }
      const manager = new RedisDistributedLockManager(failing, { ttlMs: 3_000, logger })
      const lease = await manager.acquireLock(freshTable())
      await abortOf(lease)
      expect(failures).toBeGreaterThan(2)
      expect(warnings[0]).toMatch(/could not be renewed \(READONLY/)
      expect(warnings.at(-1)).toMatch(/was lost/)
      await lease.release()
    })

    it('is not trusted when Redis does not answer to assertHeld', async () => {
      const gate = hold(redis)
      const lease = await new RedisDistributedLockManager(gate.send, { ttlMs: 3_000 }).acquireLock(
        freshTable(),
      )
      gate.close()
      await expect(lease.assertHeld()).rejects.toThrow(/Redis did not confirm it|could not be renewed/)
      await gate.open()
      await lease.release()
    })
  })

  describe('an acquisition that goes wrong', () => {
    it('whose answer was lost leaves no lock behind', async () => {
      const table = freshTable()
      const manager = new RedisDistributedLockManager(async (command) => {
        const answer = await redis.send(command)
        if (isAcquisition(command)) throw new Error('Socket closed unexpectedly')
        return answer
      })
      const attempt = manager.acquireLock(table)
      await expect(attempt).rejects.toBeInstanceOf(ConnectionFailedError)
      await expect(attempt).rejects.toThrow(/Socket closed unexpectedly/)
      expect(await exists(table)).toBe(false)
    })

    it('that was sent twice is acquired once', async () => {
      const table = freshTable()
      const manager = new RedisDistributedLockManager(async (command) => {
        if (isAcquisition(command)) await redis.send(command)
        return redis.send(command)
      })
      const lease = await manager.acquireLock(table)
      expect(lease.fencingToken).toBe(1n)
      await lease.release()
      expect(await exists(table)).toBe(false)
    })

    it('that is aborted while it waits to be sent leaves no lock behind when it is sent after all', async () => {
      const table = freshTable()
      const gate = hold(redis)
      gate.close()
      const stop = new AbortController()
      const attempt = new RedisDistributedLockManager(gate.send).acquireLock(table, { signal: stop.signal })
      stop.abort()
      await expect(attempt).rejects.toBeInstanceOf(RunAbortedError)
      await gate.open()
      await until(async () => !(await exists(table)))
      await (await locks.acquireLock(table)).release()
    })

    it('that is aborted after Redis has done it leaves no lock behind', async () => {
      const table = freshTable()
      const stop = new AbortController()
      const manager = new RedisDistributedLockManager(async (command) => {
        const answer = await redis.send(command)
        stop.abort()
        return answer
      })
      await expect(manager.acquireLock(table, { signal: stop.signal })).rejects.toBeInstanceOf(
        RunAbortedError,
      )
      expect(await exists(table)).toBe(false)
    })

    it('in a Redis that cannot be reached says so, and not that somebody has the lock', async () => {
      const manager = new RedisDistributedLockManager(async () => {
        throw Object.assign(new AggregateError([new Error('connect ECONNREFUSED 127.0.0.1:1')]), {
          code: 'ECONNREFUSED',
        })
      })
      await expect(manager.acquireLock(freshTable())).rejects.toBeInstanceOf(ConnectionFailedError)
      await expect(manager.isLocked(freshTable())).rejects.toThrow(
        /did not answer as it should \(connect ECONNREFUSED/,
      )
    })

    it('with an answer that makes no sense is refused', async () => {
      const manager = new RedisDistributedLockManager(async () => 'QUEUED')
      await expect(manager.acquireLock(freshTable())).rejects.toThrow(/not understood/)
    })
  })

  it('never throws from release, and says that the lock ends by itself', async () => {
    const table = freshTable()
    const warnings: string[] = []
    const logger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (message: string) => warnings.push(message),
    }
    const manager = new RedisDistributedLockManager(
      async (command) => {
        if (isRelease(command)) throw new Error('the connection is closed')
        return redis.send(command)
      },
      { ttlMs: 3_000, logger },
    )
    const lease = await manager.acquireLock(table)
    await expect(lease.release()).resolves.toBeUndefined()
    expect(warnings).toEqual([
      expect.stringMatching(/the connection is closed\); it ends by itself within 3 s/),
    ])
    await until(async () => !(await exists(table)))
  })

  it.each([2_999, 0, -1, Number.NaN, 3_000.5, 86_400_001])('refuses a time to live of %s ms', (ttlMs) => {
    expect(() => new RedisDistributedLockManager(redis.send, { ttlMs })).toThrow(InvalidPartitionConfigError)
  })

  it.each(['', '{tag}', 'a}'])('refuses the prefix %j', (prefix) => {
    expect(() => new RedisDistributedLockManager(redis.send, { prefix })).toThrow(InvalidPartitionConfigError)
  })
})

const lockKey = ({ schema, name }: TableName): string => `{pg-partsmith:${schema}.${name}}:lock`

const ignore = (): void => undefined

function freshTable(): TableName {
  return { schema: 'app', name: `t${randomUUID().replaceAll('-', '')}` }
}

const isAcquisition = (command: readonly string[]): boolean => command[1]?.includes("'INCR'") ?? false
const isRenewal = (command: readonly string[]): boolean => command[1]?.includes("'PEXPIRE'") ?? false
const isRelease = (command: readonly string[]): boolean => command[1]?.includes("'DEL'") ?? false

function abortOf(lease: LockLease): Promise<unknown> {
  return new Promise((resolve) => {
    lease.signal.addEventListener('abort', () => {
      resolve(lease.signal.reason)
    })
  })
}

/** Tells when so many renewals were answered. */
function watch(redis: TestRedisConnection): {
  readonly send: TestRedisConnection['send']
  readonly seen: (count: number) => Promise<void>
} {
  let count = 0
  const waiting: (() => void)[] = []
  return {
    send: async (command) => {
      const answer = await redis.send(command)
      if (isRenewal(command)) {
        count += 1
        for (const check of waiting) check()
      }
      return answer
    },
    seen: (wanted) =>
      new Promise((resolve) => {
        waiting.push(() => {
          if (count >= wanted) resolve()
        })
      }),
  }
}

/** A connection that can be closed: commands then wait, as in the queue of a client that reconnects. */
function hold(redis: TestRedisConnection): {
  readonly send: TestRedisConnection['send']
  readonly close: () => void
  /** Sends what has waited. */
  readonly open: () => Promise<void>
} {
  let queue: (() => Promise<unknown>)[] | undefined
  return {
    send: (command) => {
      const waiting = queue
      if (waiting === undefined) return redis.send(command)
      return new Promise((resolve, reject) => {
        waiting.push(() => redis.send(command).then(resolve, reject))
      })
    },
    close: () => {
      queue = []
    },
    open: async () => {
      const waited = queue ?? []
      queue = undefined
      for (const send of waited) await send()
    },
  }
}

async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 10))
}
