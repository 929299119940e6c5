import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeCli, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase } from '../support/database.ts'
import { leavePending } from '../support/marked-tables.ts'

describeCli('plan', (major, cli) => {
  it('shows what is due with its reason, and changes nothing', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 3 })
    const before = await partitionsOf(database)
    const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 3 })] })

    const { code, stdout, stderr } = await cli(['plan'], { cwd })

    expect(stderr).toBe('')
    expect(stdout).toMatch(/^app\.events\s/m)
    expect(stdout).toMatch(/1 {2}create {2}events__\d{4}_\d\d {2}\d{4}-\d\d-01 to \d{4}-\d\d-01/)
    expect(stdout).toContain('each: 3 partitions are wanted from the current one on')
    expect(stdout).toMatch(/4 {2}detach {2}events_old_3/)
    expect(stdout).toContain('! deletes-data: its rows are gone afterwards')
    expect(stdout).toContain('5 operations, 2 of which take rows away; no findings. Nothing was changed.')
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(code).toBe(0)
    expect(await partitionsOf(database)).toEqual(before)
  })

  it('ends with 2 for --check where something is pending, and with 0 where nothing is', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { name: 'behind' })
    await makeMonthly(database, { name: 'fine', ahead: true })
    const cwd = directoryWith(database, { tables: [monthly('behind'), monthly('fine')] })

    expect((await cli(['plan', '--check'], { cwd })).code).toBe(2)
    const fine = await cli(['plan', '--check', '--table', 'fine'], { cwd })
    expect(fine.code).toBe(0)
    expect(fine.stdout).toContain('Nothing to do.')
    expect(fine.stdout).not.toContain('behind')
    expect((await cli(['plan'], { cwd })).code).toBe(0)
  })

  it('ends with 3, and not with 2, where a finding needs a person', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    await database.sql(`DO $$ BEGIN EXECUTE format('CREATE TABLE app.%I ()',
      'events__' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')); END $$`)
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const { code, stdout } = await cli(['plan', '--check'], { cwd })

    expect(stdout).toContain('error  inserts-fail')
    expect(stdout).toContain('warning  name-taken')
    expect(stdout).toContain('Next: ')
    expect(stdout).toContain('2 operations, 2 findings.')
    expect(code).toBe(3)
  })

  it('prints the statements for --sql, to be read, and nothing else', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const { code, stdout } = await cli(['plan', '--sql'], { cwd })

    expect(stdout).toMatch(
      /^-- .+ on .+ as .+\n\n-- app\.events: 3 operations, planned at .*\n\n-- To be read, not run: /,
    )
    expect(stdout).toContain('ATTACH PARTITION')
    expect(stdout).not.toContain('Nothing was changed')
    expect(code).toBe(0)
    const json = JSON.parse((await cli(['plan', '--sql', '--output', 'json'], { cwd })).stdout)
    expect(json.tables[0].sql).toContain('ATTACH PARTITION')
  })

  it('refuses --locks beside --sql, where it would have no effect', async () => {
    const { code, stderr } = await cli(['plan', '--sql', '--locks'])
    expect(stderr).toContain('--locks does not go with --sql')
    expect(code).toBe(64)
  })

  it('says for --save with which words the plans are carried out: the flag only where a table needs it', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 4 })
    const save = async (more: Parameters<typeof monthly>[1]): Promise<string> => {
      const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 3, ...more })] })
      return unwrapped((await cli(['plan', '--save', 'p.json'], { cwd })).stdout)
    }
    expect(await save({})).toContain('`pg-partsmith apply --plan p.json --allow-destructive`')
    const allowed = await save({ allowDestructive: true })
    expect(allowed).toContain('`pg-partsmith apply --plan p.json`')
    expect(allowed).toContain('drops without asking')
  })

  it('says for --locks what every operation blocks', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { withDefault: true })
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const { stdout } = await cli(['plan', '--locks'], { cwd })

    expect(stdout).toMatch(
      /locks {2}app\.events {2}ACCESS EXCLUSIVE\n\s+blocks reads and writes of app\.events\n/,
    )
    expect(stdout).toContain('blocks nobody: it is new')
  })

  it('saves the plans of several tables, which apply carries out', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { name: 'a' })
    await makeMonthly(database, { name: 'b' })
    const cwd = directoryWith(database, { tables: [monthly('a'), monthly('b')] })

    const { code, stdout } = await cli(['plan', '--save', 'plan.json'], { cwd })
    expect(stdout).toContain('Saved to plan.json')
    expect(code).toBe(0)
    const saved = JSON.parse(readFileSync(join(cwd, 'plan.json'), 'utf8'))
    expect(saved).toMatchObject({ version: 1, command: 'plan', tables: [{ name: 'a' }, { name: 'b' }] })
    expect(statSync(join(cwd, 'plan.json')).mode & 0o400).toBe(0o400)

    const applied = await cli(['apply', '--plan', 'plan.json'], { cwd })
    expect(applied.stdout).toContain('Created 6.')
    expect(applied.code).toBe(0)
    expect((await cli(['plan', '--check'], { cwd })).code).toBe(0)
  })

  it('says beside a pending detach that more is planned once it is finished', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { ahead: true })
    await leavePending(database, { parent: 'app.events', table: 'app.events_old_3' })
    const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 1 })] })

    const planned = await cli(['plan'], { cwd })
    expect(unwrapped(planned.stdout)).toContain(
      'What else has expired is planned once the pending detach is finished: `maintain` and `apply` go on to it, after `apply --plan` plan again.',
    )
    await cli(['plan', '--save', 'plan.json'], { cwd })
    const applied = await cli(['apply', '--plan', 'plan.json'], { cwd })
    expect(unwrapped(applied.stdout)).toContain(
      'Finalized 1. A person is needed for 1 finding. A pending detach was finished; plan again for what had to wait for it.',
    )
    const { stdout } = await cli(['plan'], { cwd })
    expect(stdout).toMatch(/detach {2}events_old_2/)
    expect(stdout).not.toContain('What else')
  })

  it('goes on with the other tables when one cannot be planned, and ends with the worst code', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, {
      tables: [monthly('gone'), monthly('evnts'), monthly('events', { schema: 'public' }), monthly('events')],
    })

    const { code, stdout, stderr } = await cli(['plan', '--check'], { cwd })

    expect(stderr).toContain('There is no table app.gone in this database. Check the schema')
    expect(stderr).toContain('There is no table app.evnts in this database. Did you mean app.events? Check')
    expect(stderr).toContain(
      'There is no table public.events in this database. Did you mean app.events? Check',
    )
    expect(stdout).toContain('create  events__')
    expect(stdout).toContain('3 tables could not be planned.')
    expect(code).toBe(4)
  })
})
