import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import { describeCli, newest, runBinary, unwrapped, workingDirectory } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase, uniqueName } from '../support/database.ts'
import { makeStandby } from '../support/standby.ts'

const commands = ['validate', 'inspect', 'plan', 'apply', 'maintain']

describeCli('bad input', (major, cli) => {
  it('is a sentence and 4 for a configuration that is not there', async () => {
    for (const command of commands) {
      const { code, stdout, stderr } = await cli([command], { cwd: workingDirectory() })
      expect(stderr).toMatch(/^pg-partsmith: There is no configuration file in .*init/)
      expect(stdout).toBe('')
      expect(code).toBe(4)
    }
  })

  it('is every problem at once with its place for a configuration with mistakes', async () => {
    const cwd = workingDirectory()
    writeFileSync(
      join(cwd, 'partsmith.config.yaml'),
      [
        'tables:',
        '  - tableName: events',
        '    partitionColumn: created_at',
        '    granularity: month',
        '    retentonCount: 12',
        '  - tableName: logs',
        '    partitionColumn: at',
        '    granularity: daily',
        '    timeZone: Europe/Berln',
        `  - tableName: ${'n'.repeat(64)}`,
        '    partitionColumn: at',
        '    granularity: day',
      ].join('\n'),
    )
    const { code, stderr } = await cli(['plan'], { cwd })
    expect(stderr).toContain('pg-partsmith: partsmith.config.yaml has 4 problems:')
    expect(stderr).toMatch(/partsmith\.config\.yaml:5:5: .*"retentonCount".*did you mean "retentionCount"/)
    expect(stderr).toMatch(/partsmith\.config\.yaml:8:18: .*"daily"/)
    expect(stderr).toMatch(/partsmith\.config\.yaml:9:15: .*Europe\/Berlin/)
    expect(stderr).toMatch(/partsmith\.config\.yaml:10:16: .*64 bytes/)
    expect(code).toBe(4)
  })

  it('is a sentence with the place for YAML with a tab', async () => {
    const cwd = workingDirectory()
    writeFileSync(join(cwd, 'partsmith.config.yaml'), 'tables:\n\t- tableName: events\n')
    const { code, stderr } = await cli(['validate'], { cwd })
    expect(stderr).toMatch(/partsmith\.config\.yaml:2:1: .*tab/i)
    expect(code).toBe(4)
  })

  it('is 5, once, for a server that nobody runs', async () => {
    const cwd = directoryWith(
      { url: 'postgres://user:secret-word@127.0.0.1:1/db' },
      { tables: [monthly('a'), monthly('b')] },
    )
    for (const command of commands) {
      const { code, stdout, stderr } = await cli([command], { cwd })
      expect(stderr).toBe(
        'pg-partsmith: app.a and app.b: Cannot connect to postgres://user@127.0.0.1:1/db: nothing listens there. Check host and port, and that the server runs and accepts TCP connections. (From connection.url in partsmith.config.json.)\n',
      )
      expect(stdout).not.toContain('secret-word')
      expect(code).toBe(5)
    }
  })

  it('names three of many tables before what concerns them all, and counts the rest', async () => {
    const names = Array.from({ length: 17 }, (_, index) => `t${index + 1}`)
    const cwd = directoryWith(
      { url: 'postgres://user@127.0.0.1:1/db' },
      { tables: names.map((name) => monthly(name)) },
    )
    const { stderr } = await cli(['maintain'], { cwd })
    expect(stderr).toMatch(/^pg-partsmith: app\.t1, app\.t2, app\.t3 and 14 more: Cannot connect to /)
  })

  it('is 4 for a table that is not configured, with the near one', async () => {
    const cwd = directoryWith(
      { url: 'postgres://127.0.0.1:1/db' },
      { tables: [monthly('events'), monthly('logs')] },
    )
    const { code, stderr } = await cli(['plan', '--table', 'evnts', '--table', 'app.lgs'], { cwd })
    expect(stderr).toContain('There is no table "evnts" in the configuration. Did you mean app.events?')
    expect(stderr).toContain('There is no table "app.lgs" in the configuration. Did you mean app.logs?')
    expect(code).toBe(4)
  })

  it('takes a table by its bare, its qualified and its quoted name', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    await database.sql(
      `CREATE TABLE app."Odd name" (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)`,
    )
    const cwd = directoryWith(database, { tables: [monthly('events'), monthly('Odd name')] })
    for (const name of ['Odd name', 'app.Odd name', 'app."Odd name"']) {
      const { stdout, code } = await cli(['plan', '--table', name, '--output', 'json'], { cwd })
      expect(JSON.parse(stdout).tables).toMatchObject([{ name: 'Odd name' }])
      expect(code).toBe(0)
    }
  })

  it('is 4 for a table that does not exist and for one that is not partitioned', async () => {
    const database = await createDatabase(major)
    await database.sql('CREATE SCHEMA app; CREATE TABLE app.plain (created_at timestamptz)')
    const cwd = directoryWith(database, { tables: [monthly('gone'), monthly('plain')] })
    for (const command of commands) {
      const { code, stderr } = await cli([command], { cwd })
      expect(stderr).toContain('There is no table app.gone in this database.')
      expect(stderr).toContain('app.plain is not a partitioned table.')
      expect(code).toBe(4)
    }
  })

  it('is 3 for a wrong column, a wrong method and a key that is no time, and nothing is done', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    await database.sql(`
      CREATE TABLE app.lists (created_at timestamptz) PARTITION BY LIST (created_at);
      CREATE TABLE app.numbers (created_at bigint) PARTITION BY RANGE (created_at)`)
    const cwd = directoryWith(database, {
      tables: [monthly('events', { partitionColumn: 'creatd_at' }), monthly('lists'), monthly('numbers')],
    })
    for (const command of commands) {
      const { code, stdout } = await cli([command], { cwd })
      expect(unwrapped(stdout)).toContain(
        'app.events has no column "creatd_at"; it is partitioned by (created_at).',
      )
      expect(unwrapped(stdout)).toContain('app.lists is partitioned by LIST')
      expect(unwrapped(stdout)).toContain('app.numbers.created_at is of type bigint.')
      expect(code).toBe(3)
    }
    expect(await partitionsOf(database)).toHaveLength(3)
  })

  it('is no table of its own where the schema is in the name, and the message says where it goes', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const named = async (tableName: string): Promise<string> => {
      const table = { tableName, partitionColumn: 'created_at', granularity: 'month' } as const
      const { stderr, code } = await cli(['plan'], { cwd: directoryWith(database, { tables: [table] }) })
      expect(code).toBe(4)
      return stderr
    }
    expect(await named('app.events')).toContain(
      'There is no table public."app.events" in this database. There is app.events: set schema to "app" and tableName to "events".',
    )
    expect(await named('nowhere.events')).toContain(
      'The dot is a part of that name; a schema goes into schema.',
    )
    expect(await named('event')).not.toContain('goes into schema')
  })

  it('in partitionColumn leaves the runway unknown, in words and as a metric', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { ahead: true })
    const cwd = directoryWith(database, {
      tables: [monthly('events', { partitionColumn: 'creatd_at' })],
    })
    const { code, stdout } = await cli(['inspect'], { cwd })
    expect(unwrapped(stdout)).toContain(
      'How long partitions last is not known, because the table is not as configured (key-mismatch).',
    )
    expect(stdout).not.toContain('Inserts fail')
    expect(stdout).not.toContain('▲ now')
    expect(code).toBe(3)
    for (const command of ['inspect', 'maintain']) {
      const metrics = (await cli([command, '--output', 'metrics'], { cwd })).stdout
      expect(metrics).not.toContain('runway_seconds')
      expect(metrics).toMatch(/^pg_partsmith_findings\{.*table="app.events",severity="error"\} 1$/m)
      expect(metrics).toMatch(/^pg_partsmith_up\{.*table="app.events"\} 1$/m)
    }
    // What the calendar fits is not known either.
    const validated = await cli(['validate'], { cwd })
    expect(validated.stdout).toContain('key-mismatch')
    expect(validated.stdout).not.toContain('calendar')
    const json = JSON.parse((await cli(['inspect', '--output', 'json'], { cwd })).stdout)
    expect(json.tables[0].inspection).toMatchObject({ periodsUnknown: true })
  })

  it('for lockTimeoutMs is told by validate where this server allows less', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { ahead: true })
    const cwd = directoryWith(database, { tables: [monthly('events')], runtime: { lockTimeoutMs: 5000 } })
    const { code, stdout } = await cli(['validate'], { cwd })
    expect(unwrapped(stdout)).toContain(
      'lock-timeout-held The configured lockTimeoutMs is 5000, held to 800 ms because deadlock_timeout is 1 s here',
    )
    expect(stdout).toMatch(/\nThe table is as configured\.\n$/)
    expect(code).toBe(0)
  })

  it('is a warning of validate where the calendar fits no partition', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, { tables: [monthly('events', { granularity: 'week' })] })
    const { code, stdout } = await cli(['validate'], { cwd })
    expect(unwrapped(stdout)).toContain(
      'calendar-fits-nothing None of the 3 partitions lies inside a period of this calendar.',
    )
    expect(code).toBe(3)
    const good = directoryWith(database, { tables: [monthly('events')] })
    const fine = await cli(['validate'], { cwd: good })
    expect(fine.stdout).toContain('ok  3 partitions')
    expect(unwrapped(fine.stdout)).toMatch(
      / The table is as configured, and inserts of the present moment fail until `maintain` has made the partition\. $/,
    )
    expect(unwrapped(fine.stdout)).toContain(
      'current-partition-missing No partition of app.events takes rows of the present moment',
    )
    expect(fine.code).toBe(0)
  })

  it('is told once by validate where it is the same of many tables that are as configured', async () => {
    const database = await createDatabase(major)
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names) await makeMonthly(database, { name })
    const weekly = monthly('e', { granularity: 'week' })
    const tables = [...names.slice(0, 4).map((name) => monthly(name)), weekly]
    const cwd = directoryWith(database, { tables })
    const { stdout, code } = await cli(['validate'], { cwd })
    const text = unwrapped(stdout)
    expect(text).toContain('As configured: 4 tables: app.a, app.b, app.c and 1 more.')
    // Once of the four, and once of the one that is not as wanted.
    expect(text.match(/current-partition-missing/g)).toHaveLength(2)
    expect(text).toContain('The same is true of app.b, app.c and app.d.')
    expect(text).toContain('calendar-fits-nothing')
    expect(code).toBe(3)
    const verbose = await cli(['validate', '--verbose'], { cwd })
    expect(verbose.stdout.match(/ok {2}3 partitions/g)).toHaveLength(4)
  })

  it('is the same for validate as for plan: every warning is shown, and the exit code is the same', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { ahead: true, withDefault: true })
    await database.sql(`INSERT INTO app.events VALUES (1, '2001-02-03 00:00:00+00')`)
    await makeMonthly(database, { name: 'fine', ahead: true })
    const cwd = directoryWith(database, { tables: [monthly('events'), monthly('fine')] })
    const { code, stdout } = await cli(['validate'], { cwd })
    expect(stdout).toContain('warning  rows-astray-in-default')
    expect(stdout).toMatch(/app\.fine.*\n {2}ok {2}6 partitions/)
    expect(stdout).toMatch(/\n1 of 2 tables is not as wanted\.\n$/)
    expect(code).toBe(3)
    expect((await cli(['plan'], { cwd })).code).toBe(3)
    const json = JSON.parse((await cli(['validate', '--output', 'json'], { cwd })).stdout)
    expect(json).toMatchObject({
      exitCode: 3,
      tables: [
        { exitCode: 3, valid: false, findings: [{ code: 'rows-astray-in-default', severity: 'warning' }] },
        { exitCode: 0, valid: true, findings: [] },
      ],
    })
    const alone = await cli(['validate', '--table', 'events'], { cwd })
    expect(alone.stdout).toMatch(/\nThe table is not as wanted\.\n$/)
    await database.sql(`DELETE FROM app.events WHERE created_at < '2002-01-01'`)
    const both = await cli(['validate'], { cwd })
    expect(both.stdout).toMatch(/\nBoth tables are as configured\.\n$/)
    expect(both.code).toBe(0)
  })

  it('is 3 where the role has no right to change the table, and nothing is done', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const role = uniqueName('reader')
    await database.sql(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA app TO ${role}`)
    try {
      const url = new URL(database.url)
      url.username = role
      const cwd = directoryWith({ url: url.href }, { tables: [monthly('events')] })
      for (const command of ['validate', 'inspect', 'plan']) {
        const seen = await cli([command], { cwd })
        expect(unwrapped(seen.stdout)).toContain(
          `rights-missing The role "${role}" lacks what a run on app.events needs: it is no member of "postgres", which owns app.events; it may not create tables in the schema "app" for "postgres", which owns the table.`,
        )
        expect(unwrapped(seen.stdout)).toContain(
          'let an administrator do what `pg-partsmith grants` (findMissingGrants) prints',
        )
        expect(seen.code).toBe(3)
      }
      const { code, stdout } = await cli(['apply'], { cwd })
      expect(unwrapped(stdout)).toContain('permission denied')
      expect(unwrapped(stdout)).toContain('The role needs')
      expect(code).toBe(3)
      expect(await partitionsOf(database)).toHaveLength(3)
    } finally {
      await database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    }
  })

  it('is 5 where the session only reads', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    await database.sql(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`)
    const cwd = directoryWith(database, { tables: [monthly('events')] })
    const { code, stdout } = await cli(['maintain'], { cwd })
    expect(unwrapped(stdout)).toContain('only reads')
    expect(code).toBe(5)
    const validated = await cli(['validate'], { cwd })
    expect(unwrapped(validated.stdout)).toContain(
      'server-only-reads app.events was looked at in a session that only reads (default_transaction_read_only)',
    )
    expect(validated.stdout).toMatch(/, but nothing can be changed here\.\n$/)
    expect(validated.code).toBe(5)
  })

  it('is 64 for a command line that is not right, with a hint', async () => {
    for (const [args, hint] of [
      [['plon'], 'Did you mean plan?'],
      [['plan', '--chek'], 'Did you mean --check?'],
      [['plan', 'events'], 'too many arguments'],
      [['plan', '--output', 'xml'], 'Allowed choices are human, json, metrics.'],
      [['plan', '--save'], 'argument missing'],
      [['plan', '--sql', '--output', 'metrics'], '--sql goes with --output human or json'],
      [['plan', '--locks', '--output', 'metrics'], '--locks goes with --output human or json'],
      [[], 'Usage: pg-partsmith'],
    ] as const) {
      const { code, stdout, stderr } = await cli(args, { cwd: workingDirectory() })
      expect(stderr).toContain(hint)
      expect(stdout).toBe('')
      expect(code).toBe(64)
    }
  })
})

describe('bad input on servers of its own', () => {
  it('is 5 for a wrong password and for a missing one, which are never shown', async () => {
    await using server = await startEmbeddedServer({ major: newest })
    const admin = new Client({ connectionString: server.url })
    await admin.connect()
    await admin.query(`ALTER ROLE postgres PASSWORD 'right horse'`)
    const hba = join(server.dataDirectory, 'pg_hba.conf')
    writeFileSync(hba, 'host all all 127.0.0.1/32 scram-sha-256\n')
    await admin.query('SELECT pg_reload_conf()')
    await admin.query(
      'CREATE SCHEMA app; CREATE TABLE app.events (created_at timestamptz) PARTITION BY RANGE (created_at)',
    )
    await admin.end()
    const cwd = directoryWith({ url: server.url }, { tables: [monthly('events')] })
    const as = (password: string): string => server.url.replace('postgres@', `postgres:${password}@`)

    for (const args of [
      ['validate', '--verbose'],
      ['maintain', '--output', 'json'],
      ['plan', '--output', 'metrics'],
      ['init', '--write', '-'],
      ['demo'],
    ]) {
      const { code, stdout, stderr } = await runBinary([...args, '--url', as('wrong-horse%21')], { cwd })
      expect(stderr).toContain('the server refused the login')
      expect(stdout + stderr).not.toMatch(/wrong-horse/)
      expect(code).toBe(5)
    }
    const missing = await runBinary(['validate', '--url', server.url], { cwd })
    expect(missing.stderr).toContain('the server asks for a password and none was given')
    expect(missing.code).toBe(5)
    const right = await runBinary(['validate', '--verbose', '--url', as('right%20horse')], { cwd })
    expect(right.stdout + right.stderr).not.toMatch(/right.{0,3}horse/)
    expect(right.code).toBe(0)
  })

  it('is 5 for changes on a standby, which can be looked at all the same', async () => {
    await using server = await startEmbeddedServer({ major: newest })
    const admin = new Client({ connectionString: server.url })
    await admin.connect()
    await admin.query(`CREATE SCHEMA app;
      CREATE TABLE app.events (created_at timestamptz) PARTITION BY RANGE (created_at)`)
    // Commits of this server are not written out at once, and the crash would take them along.
    await admin.query('CHECKPOINT')
    await admin.end()
    await makeStandby(server)
    const cwd = directoryWith({ url: server.url }, { tables: [monthly('events')] })

    const refused = 'app.events was looked at on a standby that only reads (pg_is_in_recovery)'
    for (const [args, expected] of [
      [['inspect'], 0],
      [['plan', '--check'], 2],
      [['validate'], 5],
    ] as const) {
      const { code, stdout } = await runBinary(args, { cwd })
      expect(unwrapped(stdout)).toContain(`info server-only-reads ${refused}`)
      expect(code, args[0]).toBe(expected)
    }
    const validated = await runBinary(['validate', '--output', 'json'], { cwd })
    expect(JSON.parse(validated.stdout)).toMatchObject({ exitCode: 5, tables: [{ valid: false }] })
    for (const command of ['apply', 'maintain']) {
      const { code, stdout } = await runBinary([command], { cwd })
      expect(unwrapped(stdout)).toContain('The server is a standby that only reads (pg_is_in_recovery).')
      expect(code).toBe(5)
    }
  })
})
