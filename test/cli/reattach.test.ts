import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import { describeCli, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'
import { leavePending, mark } from '../support/marked-tables.ts'

const options = { retentionCount: 2, createAheadCount: 1, dropAfter: '7 days' } as const

function reattach(...names: readonly string[]): readonly string[] {
  return ['reattach', '--table', 'app.events', ...names.flatMap((name) => ['--partition', name])]
}

describeCli('reattach', (major, cli) => {
  /** `events_old_3` and `events_old_2` were detached by the tool, `events_old_1` is attached. */
  async function prepared(): Promise<{ readonly cwd: string; readonly database: TestDatabase }> {
    const database = await createDatabase(major)
    await makeMonthly(database)
    await makeMonthly(database, { name: 'audit' })
    await database.sql(`INSERT INTO app.events SELECT i, date_trunc('month', now()) - interval '70 days'
      FROM generate_series(1, 5) i`)
    const cwd = directoryWith(database, { tables: [monthly('events', options), monthly('audit')] })
    await createPartsmith({ pool: database.pool }).maintain({
      ...options,
      schema: 'app',
      tableName: 'events',
      partitionColumn: 'created_at',
      granularity: 'month',
    })
    expect(await partitionsOf(database)).toHaveLength(2)
    return { cwd, database }
  }

  it('brings the rows back, and says that the next run would take them again and what prevents it', async () => {
    const { cwd, database } = await prepared()
    const rows = async (): Promise<unknown> =>
      (await database.sql('SELECT count(*)::int AS n FROM app.events'))[0]?.['n']
    expect(await rows()).toBe(0)
    const done = await cli(reattach('events_old_3', 'events_old_2'), { cwd })
    expect(done).toMatchObject({ code: 3, stderr: '' })
    expect(done.stdout).toContain('  attached  events_old_3\n  attached  events_old_2\n')
    const text = unwrapped(done.stdout)
    expect(text).toContain(
      'warning reattached-expired app.events_old_3 has expired (retentionCount is 2), so the next run that may detach takes it out again. Next: Raise retentionCount to 4 or more before that run.',
    )
    expect(done.stdout).toMatch(/\nAttached 2 tables\.\n$/)
    expect(await rows()).toBe(5)
    expect(await partitionsOf(database)).toContain('events_old_3')
  })

  it('knows by the marker which of the tables it belongs to', async () => {
    const { cwd, database } = await prepared()
    for (const given of ['events_old_3', 'app.events_old_2']) {
      const done = await cli(['reattach', '--partition', given], { cwd })
      expect(done.stderr).toBe('')
      expect(done.stdout).toContain('app.events')
      expect(done.stdout).not.toContain('app.audit')
      expect(done.stdout).toMatch(/\nAttached 1 table\.\n$/)
    }
    expect(await partitionsOf(database)).toEqual(expect.arrayContaining(['events_old_2', 'events_old_3']))
  })

  it('takes tables of several parents at once, where each is known by its marker', async () => {
    const { cwd, database } = await prepared()
    await createPartsmith({ pool: database.pool }).maintain({
      ...options,
      retentionCount: 1,
      schema: 'app',
      tableName: 'audit',
      partitionColumn: 'created_at',
      granularity: 'month',
    })
    const done = await cli(['reattach', '--partition', 'events_old_3', '--partition', 'audit_old_1'], { cwd })
    expect(done.stderr).toBe('')
    expect(done.stdout.match(/^ {2}attached {2}\w+$/gm)).toEqual([
      '  attached  events_old_3',
      '  attached  audit_old_1',
    ])
    expect(done.stdout).toMatch(/\nAttached 2 tables\.\n$/)
  })

  it('asks for the table where the marker is of none of those that are configured', async () => {
    const { cwd, database } = await prepared()
    await database.sql('COMMENT ON TABLE app.events_old_3 IS NULL')
    const before = await partitionsOf(database)
    const unclear = await cli(['reattach', '--partition', 'events_old_3'], { cwd })
    expect(unwrapped(unclear.stderr)).toContain(
      'It is not clear which table events_old_3 belongs to. Say it with --table: app.events, app.audit.',
    )
    expect(unclear.code).toBe(64)
    expect(await partitionsOf(database)).toEqual(before)
  })

  it('needs nobody where the table stays, and nothing is done a second time', async () => {
    const { database } = await prepared()
    const cwd = directoryWith(database, { tables: [monthly('events', { ...options, retentionCount: 4 })] })
    const done = await cli(reattach('events_old_3'), { cwd })
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.stdout).not.toContain('warning')
    const again = await cli(reattach('events_old_3'), { cwd })
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toContain('  attached already  events_old_3\n')
    expect(again.stdout).toMatch(/\nNothing was changed\.\n$/)
  })

  it('prints JSON with one result for each table', async () => {
    const { cwd } = await prepared()
    const { stdout, code } = await cli([...reattach('events_old_3'), '--output', 'json'], { cwd })
    expect(code).toBe(3)
    const document: unknown = JSON.parse(stdout)
    const result = {
      success: true,
      attachedCount: 1,
      operations: [{ id: 'attach app.events_old_3', status: 'done' }],
      findings: [{ code: 'reattached-expired' }],
      plan: { operations: [{ kind: 'attach', reason: { code: 'explicit' } }] },
    }
    expect(document).toMatchObject({
      version: 1,
      command: 'reattach',
      exitCode: 3,
      tables: [{ exitCode: 3, results: [{ partition: 'events_old_3', result }] }],
    })
  })

  it('takes the table’s lock, and ends with 6 where another has it', async () => {
    const { cwd, database } = await prepared()
    const { locks } = createPartsmith({ pool: database.pool })
    const lease = await locks.acquireLock({ schema: 'app', name: 'events' })
    const locked = await cli(reattach('events_old_3'), { cwd })
    await lease.release()
    expect(locked.code).toBe(6)
    expect(await partitionsOf(database)).not.toContain('events_old_3')
  })

  it('refuses a table that cannot be attached now, with the next step, and goes on with the others', async () => {
    const { cwd, database } = await prepared()
    await database.sql(`COMMENT ON TABLE app.events_old_3 IS 'pg-partsmith:orphan-parent=app.events'`)
    const { code, stdout, stderr } = await cli(reattach('events_old_3', 'events_old_2'), { cwd })
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' })
    const text = unwrapped(stdout)
    expect(text).toContain(
      'not attached events_old_3 app.events_old_3 cannot be attached again, and nothing was changed. The marker of app.events_old_3 does not say which rows it held.',
    )
    expect(text).toMatch(
      /attach it by hand: SET lock_timeout = '100ms'; ALTER TABLE "app"\."events_old_3" ADD CONSTRAINT attached_by_hand CHECK .* ALTER TABLE "app"\."events" ATTACH PARTITION/,
    )
    // What is said as the reason is not said again as a finding.
    expect(text.match(/does not say which rows it held/g)).toHaveLength(1)
    expect(text).toContain(' attached events_old_2')
    expect(stdout).toMatch(/\nAttached 1 table\. 1 table was not attached\.\n$/)
  })

  it('refuses a table whose detach is pending and says who finishes it', async () => {
    const { database } = await prepared()
    const cwd = directoryWith(database, { tables: [monthly('events', { ...options, retentionCount: 1 })] })
    const [row] = await database.sql(
      `SELECT pg_get_expr(relpartbound, 0) AS bound FROM pg_class WHERE oid = 'app.events_old_1'::regclass`,
    )
    await mark(database, {
      table: 'app.events_old_1',
      parent: 'app.events',
      bound: String(row?.['bound']),
      but: { parent: { schema: 'app', name: 'events' } },
    })
    await leavePending(database, { parent: 'app.events', table: 'app.events_old_1' })
    const { code, stdout } = await cli(reattach('events_old_1'), { cwd })
    expect(code).toBe(3)
    expect(unwrapped(stdout)).toContain(
      'Run `maintain` without --allow-destructive (allowDestructive: false), which finishes the detach and drops nothing, then ask again, both before a scheduled run that may drop it.',
    )
    expect((await cli(['maintain', '--table', 'events'], { cwd })).stdout).toContain('Finalized 1')
    expect((await cli(reattach('events_old_1'), { cwd })).stdout).toContain('  attached  events_old_1')
  })

  it('guesses the name that was meant, and keeps what was done before it', async () => {
    const { cwd, database } = await prepared()
    const { code, stdout, stderr } = await cli(reattach('app.events_old_2', 'event_old_3'), { cwd })
    expect(code).toBe(4)
    expect(stderr).toContain(
      'There is no table app.event_old_3 to attach again. Did you mean app.events_old_3? Detached from app.events: app.events_old_3.',
    )
    expect(stdout).toContain('  attached  events_old_2')
    expect(stdout).toMatch(/\nAttached 1 table\. 1 table was not attached\.\n$/)
    expect(await partitionsOf(database)).toContain('events_old_2')
  })

  it('guesses none that is attached', async () => {
    const { cwd } = await prepared()
    const { stderr } = await cli(reattach('event_old_1'), { cwd })
    expect(stderr).toContain('There is no table app.event_old_1 to attach again.')
    expect(stderr).not.toContain('app.events_old_1')
  })

  it('refuses a table without a marker', async () => {
    const { cwd, database } = await prepared()
    await database.sql('CREATE TABLE app.plain (id bigint, created_at timestamptz NOT NULL)')
    const { code, stderr } = await cli(reattach('plain'), { cwd })
    expect(code).toBe(3)
    expect(stderr).toContain('app.plain carries no marker of app.events')
  })

  it('says whose a table is where its marker is of another one, and offers no ATTACH', async () => {
    const { cwd, database } = await prepared()
    const args = ['reattach', '--table', 'audit', '--partition', 'events_old_3']
    const { code, stderr } = await cli(args, { cwd })
    expect(code).toBe(3)
    expect(stderr).toContain(
      'The marker of app.events_old_3 is of app.events and not of app.audit. Nothing was changed; where that is right, attach it again there (`pg-partsmith reattach --table app.events`).',
    )
    expect(stderr).not.toContain('ATTACH PARTITION')
    expect(await partitionsOf(database, 'audit')).not.toContain('events_old_3')
  })

  it('needs to know which table it belongs to, and which one is meant', async () => {
    const { cwd } = await prepared()
    const missing = await cli(['reattach', '--partition', 'nowhere'], { cwd })
    expect(unwrapped(missing.stderr)).toContain(
      'There is no table nowhere in the schema app. Nothing was changed. `inspect` lists what is detached.',
    )
    expect(missing.code).toBe(4)
    const beside = await cli(['reattach', '--partition', 'events_old_3', '--partition', 'nowhere'], { cwd })
    expect(beside.stderr).toContain('There is no table nowhere in')
    expect(beside.stderr).not.toContain('events_old_3')
    expect(beside.code).toBe(4)
    const nothing = await cli(['reattach', '--table', 'events'], { cwd })
    expect(nothing.stderr).toContain('No table to attach again was named.')
    expect(nothing.code).toBe(64)
  })

  it('explains itself', async () => {
    const { stdout, code } = await cli(['reattach', '--help'])
    expect(code).toBe(0)
    expect(unwrapped(stdout)).toContain('Brings the rows of a detached table back')
    expect(stdout).toContain('$ pg-partsmith reattach --table app.events --partition events__2025_01')
  })
})
