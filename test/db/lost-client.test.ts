import type { PoolClient } from 'pg'
import { expect, it, onTestFinished, vi } from 'vitest'

import { createPartsmith, PostgresAdvisoryLockManager } from '../../src/index.ts'
import { fromPg } from '../../src/run/clients/pg.ts'
import { longestSilenceMs, withConnection } from '../../src/run/session.ts'
import { watchSettings } from '../../src/sql/catalog.ts'
import { networkTo } from '../support/cut-network.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { events, monthly } from '../support/events-table.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'

/** As the server has told the system, over TCP. */
const keepalives = `SELECT current_setting('tcp_keepalives_idle') AS idle, current_setting('tcp_keepalives_interval') AS interval,
  current_setting('tcp_keepalives_count') AS count, current_setting('tcp_user_timeout') AS most`
const soon = { idle: '30', interval: '10', count: '3', most: '60000' }

describeEachServer('a server whose client may be gone with the network', (major) => {
  it('looks for it soon while a role without privileges holds the lock, and not for longer', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database)
    const pool = ownPool(database, { connectionString: role.url })
    const held: PoolClient[] = []
    pool.on('connect', (client) => held.push(client))
    const before = (await pool.query(keepalives)).rows
    const lease = await new PostgresAdvisoryLockManager(pool).acquireLock({ schema: 'app', name: 'events' })
    expect((await held[0]?.query(keepalives))?.rows).toEqual([soon])
    await lease.release()
    expect((await pool.query(keepalives)).rows).toEqual(before)
    expect(held).toHaveLength(1)
  })

  it('looks for it soon while the watch of a step is open', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database)
    const client = await ownPool(database, { connectionString: role.url }).connect()
    const before = (await client.query(keepalives)).rows
    await client.query(`BEGIN READ ONLY; ${watchSettings}`)
    expect((await client.query(keepalives)).rows).toEqual([soon])
    await client.query('COMMIT')
    expect((await client.query(keepalives)).rows).toEqual(before)
    client.release()
  })
})

describeEachServer('a server that does not answer any more', (major) => {
  it('loses the connection of a statement that has a limit for that', async () => {
    await using database = await createDatabase(major)
    const network = await networkTo(database, 'SELECT 2')
    const client = fromPg(ownPool(database, { connectionString: network.url }))
    const work = withConnection(client, { silenceMs: 200 }, (session) =>
      session.transaction(async () => {
        await session.query('SELECT 1')
        await session.query('SELECT 2')
      }),
    )
    await expect(work).rejects.toMatchObject({
      code: 'connection-failed',
      message:
        'The database connection was lost (no answer from the server within 200 ms). Its transaction was not committed, so nothing of it took effect.',
    })
  })

  it('does not keep a plan waiting for ever', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const network = await networkTo(database, 'pg_class')
    const { plan } = createPartsmith({ pool: ownPool(database, { connectionString: network.url }) })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const planning = plan(monthly).then(
      () => undefined,
      (error: unknown) => error,
    )
    while (!network.isCut) await new Promise(setImmediate)
    vi.advanceTimersByTime(longestSilenceMs)
    expect(await planning).toMatchObject({
      code: 'connection-failed',
      message: expect.stringContaining('no answer from the server within 120000 ms'),
    })
  })
})
