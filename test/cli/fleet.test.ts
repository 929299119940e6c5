import { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { newest, runBinary, startBinary, until } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'

const names = ['a', 'b', 'c', 'd']

async function fleetOf(
  database: TestDatabase,
  runtime: { readonly lockTimeoutMs?: number; readonly statementTimeoutMs?: number } = {},
): Promise<string> {
  for (const name of names) await makeMonthly(database, { name })
  return directoryWith(database, { tables: names.map((name) => monthly(name)), runtime })
}

/** Tables whose advisory lock somebody holds. */
async function atWork(database: TestDatabase): Promise<number> {
  const [row] = await database.sql(
    `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  )
  return Number(row?.['n'])
}

async function waiting(database: TestDatabase): Promise<number> {
  const [row] = await database.sql(
    `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  )
  return Number(row?.['n'])
}

describe('many tables in one run', () => {
  it.each(['apply', 'maintain'])('%s reports them in the order of the configuration', async (command) => {
    const database = await createDatabase(newest)
    const cwd = await fleetOf(database)
    const { code, stdout } = await runBinary([command, '--concurrency', '3', '--output', 'json'], { cwd })
    expect(JSON.parse(stdout)).toMatchObject({
      tables: names.map((name) => ({ name, result: { createdCount: 3 } })),
    })
    expect(code).toBe(0)
    for (const name of names) expect(await partitionsOf(database, name)).toHaveLength(6)
    const again = await runBinary([command], { cwd })
    expect(again.stdout).toContain('\nNothing to do in 4 tables: app.a, app.b, app.c and 1 more.\n')
    expect(again.code).toBe(0)
    const each = await runBinary([command, '--verbose'], { cwd })
    expect(each.stdout.match(/Nothing to do\./g)).toHaveLength(4)
  })

  it.each(['apply', 'maintain'])(
    '%s --quiet tells only what was done and what needs a person',
    async (command) => {
      const database = await createDatabase(newest)
      const cwd = await fleetOf(database)
      const first = await runBinary([command, '--quiet', '--table', 'a', '--table', 'b'], { cwd })
      expect(first.stdout).toContain('Created 6.')
      const rest = await runBinary([command, '--quiet'], { cwd })
      expect(rest.stdout).toContain('\napp.c  range')
      expect(rest.stdout).not.toContain('app.a')
      expect(await runBinary([command, '--quiet'], { cwd })).toMatchObject({
        code: 0,
        stdout: '',
        stderr: '',
      })
      await database.sql('DROP TABLE app.b')
      const broken = await runBinary([command, '--quiet'], { cwd })
      expect(broken.stderr).toContain('There is no table app.b in this database.')
      expect(broken.stdout).toContain('In 1 table something failed or was refused: app.b.')
      expect(broken.code).toBe(4)
    },
  )

  it('what is good to know of many is said once', async () => {
    const database = await createDatabase(newest)
    for (const name of names) await makeMonthly(database, { name })
    const lifecycle = { retentionCount: 2, dropAfter: '30 days' }
    const cwd = directoryWith(database, { tables: names.map((name) => monthly(name, lifecycle)) })
    await runBinary(['maintain', '--allow-destructive'], { cwd })
    const { code, stdout } = await runBinary(['maintain', '--allow-destructive'], { cwd })
    expect(stdout.match(/orphan-kept/g)).toHaveLength(1)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      'The same is true of app.a_old_3, app.b_old_2, app.b_old_3 and',
    )
    expect(code).toBe(0)
    const quiet = await runBinary(['maintain', '--allow-destructive', '--quiet'], { cwd })
    expect(quiet).toMatchObject({ code: 0, stdout: '' })
  })

  it.each([
    [['--concurrency', '1'], 1],
    [[], 2],
    [['--concurrency', '3'], 3],
  ] as const)('with %j works on so many at a time: %i', async (options, expected) => {
    const database = await createDatabase(newest)
    await database.sql(`ALTER DATABASE ${database.name} SET deadlock_timeout = '60s'`)
    const cwd = await fleetOf(database, { lockTimeoutMs: 40_000, statementTimeoutMs: 40_000 })
    const holder = new Client({ connectionString: database.url })
    holder.on('error', () => undefined)
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query(
      `BEGIN; LOCK TABLE ${names.map((name) => `app.${name}`).join(', ')} IN ACCESS EXCLUSIVE MODE`,
    )

    const run = startBinary(['maintain', ...options], { cwd })
    await until(async () => (await waiting(database)) >= expected, 'as many statements wait as may')
    expect(await atWork(database)).toBe(expected)
    await holder.query('ROLLBACK')
    const { code, stdout } = await run.ended
    expect(stdout).toContain('Created 12.')
    expect(code).toBe(0)
  })

  it.each(['0', 'two', '1.5', '-1'])('refuses --concurrency %s', async (value) => {
    const { code, stderr } = await runBinary(['maintain', `--concurrency=${value}`], {})
    expect(stderr).toContain('It is a whole number from 1 to 9999.')
    expect(code).toBe(64)
  })

  it('one that is broken ends with its own code, and the others are done', async () => {
    const database = await createDatabase(newest)
    const cwd = await fleetOf(database)
    await database.sql('DROP TABLE app.b')
    const { code, stdout, stderr } = await runBinary(['maintain'], { cwd })
    expect(stderr).toContain('There is no table app.b in this database.')
    expect(stdout).toContain('Created 9.')
    expect(stdout).toContain('In 1 table something failed or was refused: app.b.')
    expect(code).toBe(4)
  })

  it('plan and inspect show those that can be read, and say why the rest cannot', async () => {
    const database = await createDatabase(newest)
    const cwd = await fleetOf(database)
    await database.sql('DROP TABLE app.b')
    const planned = await runBinary(['plan'], { cwd })
    expect(planned.stdout).toContain('1 table could not be planned.')
    expect(planned.stderr).toContain('There is no table app.b in this database.')
    expect(planned.code).toBe(4)
    const inspected = await runBinary(['inspect'], { cwd })
    expect(inspected.stdout).toContain('1 table could not be looked at.')
    expect(inspected.code).toBe(4)
  })

  it('--output metrics tells of every table how it is afterwards', async () => {
    const database = await createDatabase(newest)
    const cwd = await fleetOf(database)
    const { code, stdout } = await runBinary(['maintain', '--output', 'metrics'], { cwd })
    for (const name of names) {
      expect(stdout).toMatch(new RegExp(`^pg_partsmith_up.*"app\\.${name}".* 1$`, 'm'))
    }
    expect(code).toBe(0)
  })
})
