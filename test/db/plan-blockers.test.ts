import { describe, expect, it, onTestFinished } from 'vitest'

import type { LockHolder, PlanBlockers } from '../../src/index.ts'
import { createPartsmith, describeHolder } from '../../src/index.ts'
import { fromPg } from '../../src/run/clients/pg.ts'
import type { VacuumedDatabase } from '../support/autovacuum.ts'
import { slowly, untilVacuumed, vacuumingServer } from '../support/autovacuum.ts'
import { majors } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, createAheadCount: 2 }
const march = (table: string): string =>
  `CREATE TABLE ${table}__2026_03 PARTITION OF ${table} FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`
const events = `CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at); ${march('events')}`

for (const major of majors) {
  describe(`who is in the way of a plan (PostgreSQL ${major})`, () => {
    const makeDatabase = vacuumingServer(major)

    it('are sessions and prepared transactions whose locks conflict, with what is known of them', async () => {
      const database = await makeDatabase()
      await database.sql(`${events} CREATE TABLE rest PARTITION OF events DEFAULT;`)
      const pid = await reading(database, 'events')
      await database.sql(
        `BEGIN; INSERT INTO rest VALUES (1, '2020-01-01'); PREPARE TRANSACTION 'left behind'`,
      )
      const [found] = await blockersOf(database)
      expect(found?.operations).toMatchObject([{ id: 'create public.events__2026_04' }])
      expect(found?.operations[0]?.blockers).toMatchObject([
        {
          pid,
          application: 'the-reader',
          state: 'idle in transaction',
          query: 'SELECT count(*) FROM events',
        },
        { prepared: 'left behind', backendType: 'prepared transaction' },
      ])
      expect(found?.operations[0]?.blockers[0]?.ageMs).toBeGreaterThanOrEqual(0)
      expect(found?.advice).toEqual([])
      await database.sql(`ROLLBACK PREPARED 'left behind'`)
    })

    it('is a prepared transaction, behind which no concurrent detach begins', async () => {
      const database = await makeDatabase()
      await database.sql(`${events}
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`)
      await database.sql(`BEGIN; SELECT count(*) FROM events; PREPARE TRANSACTION 'forgotten'`)
      const partsmith = createPartsmith({ pool: database.pool, giveUpAfterMs: 200 })
      const retire = { ...config, createAheadCount: 1, retentionCount: 1 }
      const { issues } = await partsmith.maintainer.runMaintenanceSafe(retire, { now })
      expect(issues[0]?.message).toContain(
        "the rows of public.old would be out of sight for as long as the prepared transaction 'forgotten' (transaction open for ",
      )
      expect(await database.sql('SELECT FROM pg_inherits WHERE inhdetachpending')).toEqual([])
      await database.sql(`ROLLBACK PREPARED 'forgotten'`)
      expect(await partsmith.maintain(retire, { now })).toMatchObject({ detachedCount: 1 })
    })

    it('are none where they only read beside a lock that lets them, except of a concurrent detach', async () => {
      const database = await makeDatabase()
      await database.sql(`${events}
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`)
      const pid = await reading(database, 'ONLY events')
      const [found] = await blockersOf(database, { retentionCount: 1 })
      expect(found?.operations.map(({ id, blockers }) => [id, blockers.map((holder) => holder.pid)])).toEqual(
        [
          ['create public.events__2026_04', []],
          ['detach public.old', [pid]],
          ['drop public.old', []],
        ],
      )
    })

    it('is an autovacuum also for a role that may not see it, which is told what to grant', async () => {
      const database = await makeDatabase()
      const owner =
        await database.as(`${events} CREATE TABLE rest PARTITION OF events DEFAULT WITH (${slowly});
        INSERT INTO events SELECT i, '2020-01-01' FROM generate_series(1, 50000) i;
        DELETE FROM rest WHERE id % 2 = 0;`)
      const worker = await untilVacuumed(database, 'rest')
      const pid = await reading(database, 'ONLY events')
      const [found] = await blockersOf({ pool: owner.pool })
      const seen = found?.operations[0]?.blockers ?? []
      const bySession = (one: number): string[] => seen.filter((holder) => holder.pid === one).map(tell)
      expect(bySession(worker)).toEqual([
        `pid ${worker} (an autovacuum, its query is hidden) holds SHARE UPDATE EXCLUSIVE on public.rest`,
      ])
      expect(bySession(pid)).toEqual([
        `pid ${pid} (the-reader, its query is hidden) holds ACCESS SHARE on public.events`,
      ])
      expect(found?.advice).toEqual([
        `An autovacuum gives way to a role that may set deadlock_timeout, unless it prevents transaction ID wraparound: GRANT SET ON PARAMETER deadlock_timeout TO ${owner.name}.`,
        `To see what the sessions of other roles run: GRANT pg_read_all_stats TO ${owner.name}.`,
      ])
      await database.sql(`GRANT pg_read_all_stats TO ${owner.name}`)
      const [again] = await blockersOf({ pool: owner.pool })
      expect(again?.operations[0]?.blockers.map(tell).join('\n')).toMatch(
        /autovacuum: VACUUM( ANALYZE)? public\.rest\) holds/,
      )
      expect(again?.advice).toHaveLength(1)
    })

    it('are read in one question for all plans, are no part of them, and nobody else asks', async () => {
      const database = await makeDatabase()
      await database.sql(`${events} CREATE TABLE rest PARTITION OF events DEFAULT;
        CREATE TABLE notes (at timestamptz NOT NULL) PARTITION BY RANGE (at); ${march('notes')}
        CREATE TABLE notes_rest PARTITION OF notes DEFAULT;`)
      const pid = await reading(database, 'notes')
      const texts: string[] = []
      const client = observedClient(fromPg(database.pool), {
        beforeSending: ({ text }) => {
          texts.push(text)
        },
      })
      const { service, planFleet } = createPartsmith({ pool: client })
      const fleet = await planFleet([config, { ...config, tableName: 'notes' }], { now })
      const plans = fleet.flatMap((answer) => ('plan' in answer ? [answer.plan] : []))
      const before = JSON.stringify(plans)
      expect(texts.filter((text) => text.includes('pg_locks'))).toEqual([])
      const found = await service.blockersOf(plans)
      expect(texts.filter((text) => text.includes('pg_locks'))).toHaveLength(1)
      expect(
        found.map(({ table, operations }) => [
          table.name,
          operations.flatMap(({ blockers }) => blockers).length,
        ]),
      ).toEqual([
        ['events', 0],
        ['notes', 1],
      ])
      expect(found[1]?.operations[0]?.blockers[0]?.pid).toBe(pid)
      expect(JSON.stringify(plans)).toBe(before)
    })
  })
}

async function blockersOf(
  { pool }: Pick<VacuumedDatabase, 'pool'>,
  more: { readonly retentionCount?: number } = {},
): Promise<readonly PlanBlockers[]> {
  const { service, plan } = createPartsmith({ pool })
  return service.blockersOf([await plan({ ...config, ...more }, { now })])
}

function tell(holder: LockHolder): string {
  return describeHolder(holder)
}

/** A transaction that has read the table and stays open until the test ends. */
async function reading({ pool }: VacuumedDatabase, table: string): Promise<number> {
  const client = await pool.connect()
  onTestFinished(() => {
    client.release(true)
  })
  await client.query(`BEGIN; SET LOCAL application_name = 'the-reader'`)
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await client.query(`SELECT count(*) FROM ${table}`)
  return rows[0]?.pid ?? 0
}
