import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { Partsmith, PartitionLifecycleHooks, PartsmithOptions } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, majors } from '../support/database.ts'
import { latch } from '../support/latch.ts'

const now = '2026-03-15T12:00:00Z'
const wanted = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
  retentionCount: 1,
} as const
const given = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');`

/** What a hook may do and for how long is no matter of the server's version. */
describe('hooks', () => {
  let database: TestDatabase
  beforeEach(async () => {
    const major = majors.at(-1)
    if (major === undefined) throw new Error('There is no server.')
    database = await createDatabase(major)
    await database.sql(given)
  })
  afterEach(() => database.drop())

  const partsmithWith = (
    hooks: readonly PartitionLifecycleHooks[],
    options: Omit<PartsmithOptions, 'pool' | 'hooks'> = {},
  ): Partsmith => createPartsmith({ pool: database.pool, hooks, ...options })

  describe('that take too long', () => {
    it('are told to stop, and what they were asked about is refused', async () => {
      let told: unknown
      const slow: PartitionLifecycleHooks = {
        beforeCreate: ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              told = signal.reason
              reject(new Error('I was told to stop'))
            })
          }),
      }
      const result = await partsmithWith([slow], { hookTimeoutMs: 50 }).maintain(wanted, { now })
      expect(result.issues[0]?.message).toContain('refused by hook: it did not finish within 50 ms.')
      expect(told).toMatchObject({ name: 'TimeoutError' })
    })

    it('and do not listen are left behind', async () => {
      const never = latch()
      const deaf = { beforeCreate: () => never.opened, afterDetach: () => never.opened }
      const result = await partsmithWith([deaf], { hookTimeoutMs: 50 }).maintain(wanted, { now })
      expect(result).toMatchObject({ createdCount: 0, detachedCount: 1, droppedCount: 1 })
      expect(result.issues.map(({ message }) => message)).toEqual([
        expect.stringContaining('it did not finish within 50 ms'),
        expect.stringContaining('it did not finish within 50 ms'),
      ])
    })

    it('and end well when they are told to stop have refused: it is not known what they did', async () => {
      const obedient: PartitionLifecycleHooks = {
        beforeCreate: ({ signal }) =>
          new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      }
      const result = await partsmithWith([obedient], { hookTimeoutMs: 50 }).maintain(wanted, { now })
      expect(result).toMatchObject({ createdCount: 0, issues: [{ code: 'refused-by-hook' }] })
    })
  })

  describe('that ask the database', () => {
    it.each([
      `INSERT INTO public.events VALUES (1, '2026-03-10')`,
      `CREATE TABLE public.mine ()`,
      `DROP TABLE public.old`,
      `SET TRANSACTION READ WRITE`,
      `SELECT nextval('public.counter')`,
    ])('cannot change it: %s', async (text) => {
      await database.sql(`CREATE SEQUENCE counter`)
      const meddling: PartitionLifecycleHooks = {
        beforeCreate: async ({ query }) => {
          await query(text)
        },
      }
      const result = await partsmithWith([meddling]).maintain(wanted, { now })
      expect(result.issues).toMatchObject([{ code: 'refused-by-hook' }])
      expect(result.issues[0]?.message).toMatch(/read-only transaction|must be set before any query/)
    })

    it('are stopped with their time', async () => {
      const slow: PartitionLifecycleHooks = {
        beforeCreate: async ({ query }) => {
          await query(`SELECT pg_sleep(60)`)
        },
      }
      const result = await partsmithWith([slow], { hookTimeoutMs: 100 }).maintain(wanted, { now })
      expect(result.issues[0]?.message).toContain('it did not finish within 100 ms')
      const sleeping = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'`
      while ((await database.sql(sleeping)).length > 0);
    })
  })
})
