import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { describeCliOnEachServer, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'

function ensure(...moments: readonly string[]): readonly string[] {
  return ['ensure', '--table', 'app.events', ...moments.flatMap((at) => ['--at', at])]
}

describeCliOnEachServer('ensure', (major, cli) => {
  /** Rows of two months of 2020 are in DEFAULT. */
  async function prepared(
    options: Parameters<typeof monthly>[1] = {},
  ): Promise<{ readonly cwd: string; readonly database: TestDatabase }> {
    const database = await createDatabase(major)
    await makeMonthly(database, { ahead: true, withDefault: true })
    await makeMonthly(database, { name: 'audit' })
    await database.sql(`INSERT INTO app.events SELECT g, '2020-02-10 12:00+00' FROM generate_series(1, 7) g;
      INSERT INTO app.events SELECT g, '2020-05-10 12:00+00' FROM generate_series(1, 3) g;`)
    const tables = [monthly('events', { createAheadCount: 1, ...options }), monthly('audit')]
    return { cwd: directoryWith(database, { tables }), database }
  }

  it('is what the finding about rows astray names, and settles it', async () => {
    const { cwd, database } = await prepared()
    const before = await cli(['maintain', '--table', 'events'], { cwd })
    expect(before.code).toBe(3)
    expect(unwrapped(before.stdout)).toContain('holds 10 rows from before')
    expect(unwrapped(before.stdout)).toContain('with `pg-partsmith ensure` (ensurePartition)')

    const first = await cli(ensure('2020-02-29'), { cwd })
    expect(first).toMatchObject({ code: 3, stderr: '' })
    expect(first.stdout).toContain('  created  events__2020_02  and 7 rows moved out of DEFAULT into it\n')
    expect(unwrapped(first.stdout)).toContain('holds 3 rows from before')
    expect(first.stdout).toMatch(/\nMade 1 partition\.\n$/)

    const second = await cli(ensure('2020-05-31T23:59:59.999Z'), { cwd })
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).not.toContain('rows-astray-in-default')
    expect(await database.sql('SELECT count(*)::int AS n FROM app.events_rest')).toEqual([{ n: 0 }])
    expect(await database.sql('SELECT count(*)::int AS n FROM app.events')).toEqual([{ n: 10 }])
    expect((await cli(['maintain', '--table', 'events'], { cwd })).code).toBe(0)
  })

  it('makes several, and nothing a second time', async () => {
    const { cwd } = await prepared()
    const done = await cli(ensure('2020-02-10', '2020-05-10'), { cwd })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).toContain('  created  events__2020_02  and 7 rows')
    expect(done.stdout).toContain('  created  events__2020_05  and 3 rows')
    expect(done.stdout).toMatch(/\nMade 2 partitions\.\n$/)
    const again = await cli(ensure('2020-02-10'), { cwd })
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toContain('  there already  the partition of 2020-02-10\n')
    expect(again.stdout).toMatch(/\nNothing was changed\.\n$/)
  })

  it('takes a date as it begins in the time zone of the table', async () => {
    const { database } = await prepared()
    const cwd = directoryWith(database, {
      runtime: { ddlTimezone: null },
      tables: [monthly('events', { timeZone: 'America/New_York' })],
    })
    const done = await cli(ensure('2020-02-01'), { cwd })
    expect(done.stdout).toContain('  created  events__2020_02 ')
    expect(await partitionsOf(database)).toContain('events__2020_02')
  })

  it('says that the next run would take it again, with the rows, and what prevents it', async () => {
    const { cwd } = await prepared({ retentionCount: 4, dropAfter: '7 days' })
    const done = await cli(ensure('2020-02-10'), { cwd })
    expect(done.code).toBe(3)
    expect(unwrapped(done.stdout)).toMatch(
      /reattached-expired app\.events__2020_02 has expired \(retentionCount is 4\), so the next run that may detach takes it out again\. Next: Raise retentionCount to \d+ or more before that run\./,
    )
  })

  it('says why one cannot be made, once, and goes on with the others', async () => {
    const { cwd, database } = await prepared({ maxRowsFromDefault: 5 })
    const done = await cli(ensure('2020-02-10', '2020-05-10'), { cwd })
    expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 3, stderr: '' })
    const text = unwrapped(done.stdout)
    expect(text).toContain('not made the partition of 2020-02-10 The partition of 2020-02-01')
    expect(text.match(/more than the 5 that one short transaction may move/g)).toHaveLength(1)
    expect(done.stdout).toMatch(/\nMade 1 partition\. 1 partition was not made\.\n$/)
    expect(await partitionsOf(database)).toContain('events__2020_05')
  })

  it('prints JSON with one result for each moment', async () => {
    const { cwd } = await prepared()
    const { stdout, code } = await cli([...ensure('2020-02-10'), '--output', 'json'], { cwd })
    expect(code).toBe(3)
    const document: unknown = JSON.parse(stdout)
    const result = {
      success: true,
      createdCount: 1,
      operations: [{ id: 'create app.events__2020_02', status: 'done', rowsMoved: 7 }],
      findings: [{ code: 'rows-astray-in-default' }],
    }
    expect(document).toMatchObject({
      version: 1,
      command: 'ensure',
      exitCode: 3,
      tables: [{ exitCode: 3, results: [{ at: '2020-02-10', result }] }],
    })
  })

  it('takes the table’s lock, and ends with 6 where another has it', async () => {
    const { cwd, database } = await prepared()
    const { locks } = createPartsmith({ pool: database.pool })
    const lease = await locks.acquireLock({ schema: 'app', name: 'events' })
    const locked = await cli(ensure('2020-02-10'), { cwd })
    await lease.release()
    expect(locked.code).toBe(6)
    expect(await partitionsOf(database)).not.toContain('events__2020_02')
  })

  it('needs to know the table and the moment', async () => {
    const { cwd, database } = await prepared()
    const before = await partitionsOf(database)
    const cases = [
      [['ensure', '--table', 'events'], 'No moment was given.'],
      [['ensure', '--at', '2020-02-10'], 'Say it with --table: app.events, app.audit.'],
      [ensure('yesterday'), '--at yesterday is no moment: give a date such as 2026-10-24'],
      [ensure('2020-02-30'), '--at 2020-02-30 is no moment'],
      [ensure('2020-02-10 08:00'), 'with Z or an offset'],
    ] as const
    for (const [args, said] of cases) {
      const { code, stderr, stdout } = await cli(args, { cwd })
      expect(unwrapped(stderr + stdout)).toContain(said)
      expect(code).toBe(64)
    }
    expect(await partitionsOf(database)).toEqual(before)
  })
})
