import { Pool } from 'pg'
import { createClient } from 'redis'
import { createPartsmith, RedisDistributedLockManager } from 'pg-partsmith'

const url = process.env['REDIS_URL']
if (url === undefined) throw new Error('Set REDIS_URL to a Redis server.')
const redis = createClient({ url })
// Without a listener, a lost connection would end the process before the run can stop by itself.
redis.on('error', (error) => console.error(`Redis: ${error.message}`))
await redis.connect()

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_redis CASCADE;
  CREATE SCHEMA example_redis;
  CREATE TABLE example_redis.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);`)

const locks = new RedisDistributedLockManager(redis, { prefix: 'example', ttlMs: 60_000 })
const partsmith = createPartsmith({ pool, locks })
const config = {
  schema: 'example_redis',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'day',
} as const

// Somebody else is at work: this run gives way.
const lease = await locks.acquireLock({ schema: 'example_redis', name: 'events' })
const refused = await partsmith.maintainer.runMaintenanceSafe(config)
console.log(`while the lock is held: ${refused.errorCode}, ${refused.createdCount} created`)
await lease.release()

const result = await partsmith.maintainer.runMaintenanceSafe(config)
console.log(`afterwards: ${result.error ?? 'no error'}, ${result.createdCount} created`)
await pool.end()
await redis.close()
