import { expect, it } from 'vitest'

import type { DatabaseClient, Partsmith } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { commentOf, leavePending, mark } from '../support/marked-tables.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1, dropAfter: '7 days' } as const
const bound = `FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')`
const tables = `CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE old PARTITION OF events ${bound};`

/** Does something once, right before the detach has its statement sent, with its marker committed. */
function meddling(database: TestDatabase, when: RegExp, meddle: () => Promise<unknown>): DatabaseClient {
  let isDone = false
  return observedClient(fromPg(database.pool), {
    beforeSending: async ({ text }) => {
      if (isDone || !when.test(text)) return
      isDone = true
      await meddle()
    },
  })
}

const detaching = /DETACH PARTITION .* CONCURRENTLY/
const markedJanuary =
  /^pg-partsmith:orphan-parent=public\.events\npg-partsmith:detached-at=.*\n.*2026-01-01.*/

describeEachServer('a marker that is taken off while its partition is detached', (major) => {
  it('by a comment of somebody else is written again, in front of that comment', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const client = meddling(database, detaching, () => database.sql(`COMMENT ON TABLE old IS 'January'`))
    const partsmith = createPartsmith({ pool: client })
    const result = await partsmith.maintain(config, { now })
    expect(result).toMatchObject({ success: true, detachedCount: 1 })
    expect(await commentOf(database, 'old')).toMatch(new RegExp(`${markedJanuary.source}\nJanuary$`))
    expect(await detachedNow(partsmith)).toEqual(['old'])
  })

  it('by another maintainer that keeps more is written again', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const other = createPartsmith({ pool: ownPool(database), lockPrefix: 'other' })
    const client = meddling(database, detaching, async () => {
      const result = await other.maintain({ ...config, retentionCount: 1000 }, { now })
      expect(result.operations).toMatchObject([{ kind: 'unmark', status: 'done' }])
    })
    const result = await createPartsmith({ pool: client }).maintain(config, { now })
    expect(result).toMatchObject({ success: true, detachedCount: 1 })
    expect(await commentOf(database, 'old')).toMatch(markedJanuary)
  })

  it('is written again where the detach is finished by a later run', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    await mark(database, { table: 'old', bound })
    await leavePending(database, { table: 'old' })
    const client = meddling(database, /LOCK TABLE ONLY "public"."old"/, () =>
      database.sql(`COMMENT ON TABLE old IS 'January'`),
    )
    const result = await createPartsmith({ pool: client }).maintain(config, { now })
    expect(result.operations).toMatchObject([{ kind: 'finalize', status: 'done' }])
    expect(await commentOf(database, 'old')).toMatch(new RegExp(`${markedJanuary.source}\nJanuary$`))
  })

  it('is not written where the detach that is finished was begun by somebody else', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${tables} COMMENT ON TABLE old IS 'January'`)
    await leavePending(database, { table: 'old' })
    const result = await createPartsmith({ pool: database.pool }).maintain(config, { now })
    expect(result.operations).toMatchObject([{ kind: 'finalize', status: 'done' }])
    expect(await commentOf(database, 'old')).toBe('January')
  })

  it('and cannot be written again makes the operation fail, and says what to do', async () => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const holder = await database.pool.connect()
    const client = meddling(database, /relispartition\s+AND NOT starts_with/, async () => {
      await database.sql('COMMENT ON TABLE old IS NULL')
      await holder.query('BEGIN; LOCK TABLE old IN SHARE MODE')
    })
    const { maintainer } = createPartsmith({ pool: client, giveUpAfterMs: 400 })
    const result = await maintainer.runMaintenanceSafe(config, { now })
    expect(result).toMatchObject({ success: false, operations: [{ kind: 'detach', status: 'failed' }] })
    expect(result.issues[0]?.message).toMatch(
      /^public\.events: public\.old is detached, and it could not be made sure that it still has its marker \(.*\)\. .* mark it with `pg-partsmith adopt` \(adoptPartition\); with one it can be attached again with `pg-partsmith reattach`/,
    )
    await holder.query('ROLLBACK')
    holder.release()
  })
})

async function detachedNow(partsmith: Partsmith): Promise<readonly string[]> {
  const { partitions } = await partsmith.inspect(config, { now })
  return partitions.filter(({ state }) => state === 'detached').map(({ name }) => name)
}
