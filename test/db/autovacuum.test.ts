import { describe, expect, it } from 'vitest'

import type { MaintenanceResult } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { VacuumedDatabase } from '../support/autovacuum.ts'
import { insertsBeside, slowly, untilVacuumed, vacuumingServer } from '../support/autovacuum.ts'
import { majors } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'
const lockTimeoutMs = 100
/** What a busy machine adds to what the server does in time. */
const slack = 400

const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const oneMore = { ...monthly, createAheadCount: 2 }
const march = `CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`

/** DEFAULT with dead rows in it. */
const deadRows = (parameters: string): string => `
  CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at); ${march}
  CREATE TABLE rest PARTITION OF events DEFAULT WITH (${parameters});
  INSERT INTO events SELECT i, '2020-01-01' FROM generate_series(1, 50000) i;
  DELETE FROM rest WHERE id % 2 = 0;`

for (const major of majors) {
  describe(`an autovacuum at work (PostgreSQL ${major})`, () => {
    const makeDatabase = vacuumingServer(major)

    it('on DEFAULT gives way to a superuser, and nobody waits longer than the lock timeout', async () => {
      const database = await makeDatabase()
      await database.sql(deadRows(slowly))
      const pid = await untilVacuumed(database, 'rest')
      const traffic = insertsBeside(database)
      await traffic.until(20)
      const result = await run(database, { giveUpAfterMs: 20_000 })
      await traffic.until(20)
      expect(result).toMatchObject({ success: true, createdCount: 1, issues: [] })
      expect(await stillThere(database, pid)).toBe(false)
      expect(await traffic.stop()).toBeLessThan(lockTimeoutMs + slack)
    })

    it('on DEFAULT gives way to an owner who may set deadlock_timeout', async () => {
      const database = await makeDatabase()
      const owner = await database.as(deadRows(slowly))
      await database.sql(`GRANT SET ON PARAMETER deadlock_timeout TO ${owner.name}`)
      const pid = await untilVacuumed(database, 'rest')
      const traffic = insertsBeside(database)
      await traffic.until(20)
      const result = await run(owner, { giveUpAfterMs: 20_000 })
      expect(result).toMatchObject({ success: true, createdCount: 1, issues: [] })
      expect(await stillThere(database, pid)).toBe(false)
      expect(await traffic.stop()).toBeLessThan(lockTimeoutMs + slack)
    })

    it('on DEFAULT keeps a plain owner from creating, who is told who it is and what to grant', async () => {
      const database = await makeDatabase()
      const owner = await database.as(deadRows(slowly))
      const pid = await untilVacuumed(database, 'rest')
      const traffic = insertsBeside(database)
      await traffic.until(20)
      const result = await run(owner, { giveUpAfterMs: 700 })
      expect(result.issues).toMatchObject([{ code: 'lock-timeout' }])
      const said = result.issues[0]?.message ?? ''
      expect(said).toContain(
        `In the way: pid ${pid} (an autovacuum, its query is hidden) holds SHARE UPDATE EXCLUSIVE on public.rest`,
      )
      expect(said).not.toContain('insufficient privilege')
      expect(said).toContain(`GRANT SET ON PARAMETER deadlock_timeout TO ${owner.name}.`)
      expect(said).toContain(`GRANT pg_read_all_stats TO ${owner.name}.`)
      expect(await stillThere(database, pid)).toBe(true)
      expect(await traffic.stop()).toBeLessThan(lockTimeoutMs + slack)
    })

    it('to prevent wraparound gives way to nobody, and no grant is promised to help', async () => {
      const database = await makeDatabase()
      const owner = await database.as(deadRows(`${slowly}, autovacuum_freeze_max_age = 100000`))
      await database.sql(`GRANT pg_read_all_stats TO ${owner.name}`)
      // The vacuum for the dead rows comes first, and has to be another one for this.
      await database.sql('ALTER TABLE rest SET (autovacuum_enabled = off)')
      await database.sql(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                          WHERE backend_type = 'autovacuum worker' AND datname = current_database()`)
      await database.sql(
        `DO $$ BEGIN FOR i IN 1..101000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`,
      )
      const pid = await untilVacuumed(database, 'rest')
      for (const { pool } of [database, owner]) {
        const { issues } = await run({ pool }, { giveUpAfterMs: 700 })
        const said = issues[0]?.message ?? ''
        expect(said).toContain(`In the way: pid ${pid} (an autovacuum, active, transaction open for `)
        expect(said).toContain('(to prevent wraparound)) holds SHARE UPDATE EXCLUSIVE on public.rest.')
        expect(said).toContain('gives way to nobody: wait until it has ended')
        expect(said).not.toContain('GRANT')
      }
      expect(await stillThere(database, pid)).toBe(true)
    })

    it('on a partition that is to be detached gives way, too', async () => {
      const database = await makeDatabase()
      await database.sql(`CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at); ${march}
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00') WITH (${slowly});
        INSERT INTO events SELECT i, '2026-01-10' FROM generate_series(1, 50000) i;
        DELETE FROM old WHERE id % 2 = 0;`)
      await untilVacuumed(database, 'old')
      const { maintainer } = createPartsmith({ pool: database.pool, giveUpAfterMs: 20_000, lockTimeoutMs })
      const retire = { ...monthly, createAheadCount: 1, retentionCount: 1, dropAfter: '7 days' }
      const result = await maintainer.runMaintenanceSafe(retire, { now })
      expect(result).toMatchObject({ success: true, detachedCount: 1, issues: [] })
    })
  })
}

async function run(
  { pool }: Pick<VacuumedDatabase, 'pool'>,
  { giveUpAfterMs }: { readonly giveUpAfterMs: number },
): Promise<MaintenanceResult> {
  const { maintainer } = createPartsmith({ pool, giveUpAfterMs, lockTimeoutMs })
  return maintainer.runMaintenanceSafe(oneMore, { now })
}

async function stillThere({ sql }: VacuumedDatabase, pid: number): Promise<boolean> {
  const rows = await sql(
    `SELECT FROM pg_locks WHERE pid = $1 AND relation = 'rest'::regclass AND mode = 'ShareUpdateExclusiveLock'`,
    [pid],
  )
  return rows.length > 0
}
