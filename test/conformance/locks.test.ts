import { PGlite } from '@electric-sql/pglite'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TableName } from '../../src/model/table-name.ts'
import { formatTableName } from '../../src/model/table-name.ts'
import { LockAcquisitionError, LockLostError, RunAbortedError } from '../../src/errors.ts'
import { fromPglite } from '../../src/run/clients/pglite.ts'
import { fromPostgresJs } from '../../src/run/clients/postgres-js.ts'
import type { LockLease, LockManager } from '../../src/run/lock.ts'
import { PostgresAdvisoryLockManager } from '../../src/run/locks/advisory.ts'
import { RedisDistributedLockManager } from '../../src/run/locks/redis.ts'
import type { LockConformanceOptions, LockFixture } from '../../src/testing.ts'
import { lockConformance } from '../../src/testing.ts'
import { calmPool } from '../support/calm-pool.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { describeWithPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { describeWithRedis } from '../support/redis.ts'
import { connectRedis } from '../support/redis-send.ts'

function itConforms(options: LockConformanceOptions): void {
  it.each(lockConformance(options).map(({ name, run }) => [name, run] as const))('%s', async (_, run) => {
    await expect(run()).resolves.toBeUndefined()
  })
}

describeEachServer('PostgresAdvisoryLockManager conforms', (major) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await createDatabase(major)
  })

  describe('on two pg Pools', () => {
    itConforms({
      create: async () => {
        const pools = [calmPool({ connectionString: database.url, max: 5 }), database.pool] as const
        return {
          locks: new PostgresAdvisoryLockManager(pools[0]),
          other: new PostgresAdvisoryLockManager(pools[1]),
          dispose: () => pools[0].end(),
        }
      },
    })
  })

  describe('on postgres.js', () => {
    itConforms({
      create: async () => {
        const sql = postgres(database.url, { max: 5, onnotice: () => undefined })
        return {
          locks: new PostgresAdvisoryLockManager(fromPostgresJs(sql)),
          other: new PostgresAdvisoryLockManager(database.pool),
          dispose: () => sql.end({ timeout: 5 }),
        }
      },
    })
  })
})

describeWithPgBouncer(
  'PostgresAdvisoryLockManager conforms through a pooler in transaction mode',
  (major) => {
    let database: TestDatabase

    beforeAll(async () => {
      database = await createDatabase(major)
    })

    itConforms({
      create: async () => {
        const pooler = await startPgBouncer(database)
        return {
          locks: new PostgresAdvisoryLockManager(pooler.pool()),
          other: new PostgresAdvisoryLockManager(pooler.pool()),
          dispose: async () => undefined,
        }
      },
    })
  },
)

describe('PostgresAdvisoryLockManager on PGlite conforms within its process', () => {
  let db: PGlite

  beforeAll(async () => {
    db = await PGlite.create()
  })
  afterAll(() => db.close())

  itConforms({
    create: async () => ({
      locks: new PostgresAdvisoryLockManager(fromPglite(db)),
      other: new PostgresAdvisoryLockManager(fromPglite(db)),
      dispose: async () => undefined,
    }),
  })
})

describeWithRedis('RedisDistributedLockManager conforms', (url) => {
  describe('on node-redis', () => {
    itConforms({
      create: async () => {
        const clients = [createClient({ url }), createClient({ url })] as const
        await Promise.all(clients.map((client) => client.connect()))
        return {
          locks: new RedisDistributedLockManager(clients[0]),
          other: new RedisDistributedLockManager(clients[1]),
          dispose: async () => {
            await Promise.all(clients.map((client) => client.close()))
          },
        }
      },
    })
  })

  describe('on ioredis', () => {
    itConforms({
      create: async () => {
        const clients = [new Redis(url), new Redis(url)] as const
        return {
          locks: new RedisDistributedLockManager(clients[0]),
          other: new RedisDistributedLockManager(clients[1]),
          dispose: async () => {
            await Promise.all(clients.map((client) => client.quit()))
          },
        }
      },
    })
  })

  describe('on a function that sends', () => {
    itConforms({
      create: async () => {
        const redis = await connectRedis(url)
        return {
          locks: new RedisDistributedLockManager(redis.send),
          other: new RedisDistributedLockManager(redis.send),
          dispose: redis.close,
        }
      },
    })
  })
})

/** The lock manager of a user: as small as the contract lets it be. */
class OwnLockManager implements LockManager {
  readonly #held: Set<string>

  constructor(held: Set<string>) {
    this.#held = held
  }

  async acquireLock(table: TableName, options: { readonly signal?: AbortSignal } = {}): Promise<LockLease> {
    if (options.signal?.aborted === true) throw new RunAbortedError('Stopped.')
    const key = formatTableName(table)
    if (this.#held.has(key)) throw new LockAcquisitionError(`${key} is locked.`)
    this.#held.add(key)
    let released = false
    const release = async (): Promise<void> => {
      if (!released) this.#held.delete(key)
      released = true
    }
    return {
      key,
      signal: new AbortController().signal,
      assertHeld: async () => {
        if (released) throw new LockLostError(`${key} was released.`)
      },
      release,
      [Symbol.asyncDispose]: release,
    }
  }

  async isLocked(table: TableName): Promise<boolean> {
    return this.#held.has(formatTableName(table))
  }

  unlock(table: TableName): void {
    this.#held.delete(formatTableName(table))
  }
}

describe("a user's own lock manager conforms", () => {
  itConforms({
    create: async () => {
      const held = new Set<string>()
      return {
        locks: new OwnLockManager(held),
        other: new OwnLockManager(held),
        dispose: async () => undefined,
      }
    },
  })
})

describe('the suite for locks finds what is wrong', () => {
  it('a manager that excludes nobody fails', async () => {
    const failed = await failures(() => new OwnLockManager(new Set()))
    expect(failed).toContain('one holder has the lock and the second gets LockAcquisitionError')
    expect(failed).toContain('one of fifty contenders wins')
    expect(failed).toContain('isLocked tells whether anybody holds the lock')
  })

  it('a manager that joins schema and name with a dot fails', async () => {
    const failed = await failures((locks) => ({
      acquireLock: ({ schema, name }, options) =>
        locks.acquireLock({ schema: '', name: `${schema}.${name}` }, options),
      isLocked: ({ schema, name }) => locks.isLocked({ schema: '', name: `${schema}.${name}` }),
    }))
    expect(failed).toEqual(['names with dots and quotes are not confused'])
  })

  it('a lease that releases twice and takes the lock from its successor fails', async () => {
    const failed = await failures((locks) => ({
      isLocked: (table) => locks.isLocked(table),
      acquireLock: async (table, options) => {
        const lease = await locks.acquireLock(table, options)
        const release = async (): Promise<void> => {
          if (locks instanceof OwnLockManager) locks.unlock(table)
          await lease.release()
        }
        return { ...lease, release, [Symbol.asyncDispose]: release }
      },
    }))
    expect(failed).toContain('a second release does nothing, also when somebody else has the lock by then')
  })
})

/** The names of the cases that a spoilt lock manager fails. */
async function failures(spoil: (locks: LockManager) => LockManager): Promise<readonly string[]> {
  const failed: string[] = []
  const create = async (): Promise<LockFixture> => {
    const held = new Set<string>()
    return {
      locks: spoil(new OwnLockManager(held)),
      other: spoil(new OwnLockManager(held)),
      dispose: async () => undefined,
    }
  }
  for (const { name, run } of lockConformance({ create })) {
    await run().catch(() => failed.push(name))
  }
  return failed
}
