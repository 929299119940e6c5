import { describe, expect, it } from 'vitest'

import { newest, runBinary, startBinary, until, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { networkTo } from '../support/cut-network.ts'
import { createDatabase } from '../support/database.ts'

/** Some seconds until nothing is waited for any more, and what a busy machine adds. */
const withinMs = 12_000

describe('a network that is cut without a word', () => {
  it.each([
    ['while the first catalog query is on its way', 'pg_backend_pid'],
    ['before the login is done', 'pg-partsmith'],
  ])(
    'does not keep a process that is told to stop: %s',
    async (_, cutAt) => {
      const database = await createDatabase(newest)
      await makeMonthly(database)
      const network = await networkTo(database, cutAt)
      const cwd = directoryWith(network, { tables: [monthly('events')] })
      const run = startBinary(['plan'], { cwd })
      await until(() => network.isCut, 'the network is cut')
      const stopped = performance.now()
      run.kill('SIGTERM')
      const { code, stderr } = await run.ended
      expect(performance.now() - stopped).toBeLessThan(withinMs)
      expect(unwrapped(stderr)).toContain('Stopped by SIGTERM.')
      expect(code).toBe(143)
    },
    60_000,
  )

  it('does not keep a run that is told to stop, in the middle of a creation, with its lock', async () => {
    const database = await createDatabase(newest)
    await makeMonthly(database)
    const network = await networkTo(database, 'ATTACH PARTITION')
    const cwd = directoryWith(network, { tables: [monthly('events')] })
    const run = startBinary(['maintain'], { cwd })
    await until(() => network.isCut, 'the network is cut')
    const stopped = performance.now()
    run.kill('SIGINT')
    const { code, stdout } = await run.ended
    expect(performance.now() - stopped).toBeLessThan(withinMs)
    expect(unwrapped(stdout)).toContain('Stopped by SIGINT.')
    expect(code).toBe(130)
  }, 60_000)

  it('ends a run by itself, whose report does not say that nothing was changed', async () => {
    const database = await createDatabase(newest)
    await makeMonthly(database, { withDefault: true })
    const network = await networkTo(database, 'ATTACH PARTITION')
    const cwd = directoryWith({ url: `${network.url}?connect_timeout=2` }, { tables: [monthly('events')] })
    const { code, stdout } = await runBinary(['maintain'], { cwd })
    expect(network.isCut).toBe(true)
    expect(unwrapped(stdout)).toMatch(
      /was built before and is not attached yet; the next run goes on from there\./,
    )
    expect(stdout).not.toContain('Nothing was changed')
    expect(code).toBe(3)

    // Where the lock is still held, a session that nobody uses any more holds it.
    await database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`)
    const next = await runBinary(['maintain'], {
      cwd: directoryWith(database, { tables: [monthly('events')] }),
    })
    expect(next.code).toBe(0)
    expect(await partitionsOf(database)).toHaveLength(3 + 3 + 1)
  }, 120_000)
})
