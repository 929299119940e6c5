import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { builtProgram, describeCli, unwrapped, workingDirectory } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly } from '../support/cli-tables.ts'
import { createDatabase } from '../support/database.ts'

describeCli('output', (major, cli) => {
  it('gives inspect a picture with now in it, the partitions and how long they last', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 5, ahead: true, withDefault: true })
    const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 4 })] })

    const { code, stdout } = await cli(['inspect'], { cwd })

    expect(stdout).toContain('░░░ ░░░ ▒▒▒ ▒▒▒ ▒▒▒ ███ ▓▓▓ ▓▓▓')
    expect(stdout).toMatch(/▲ now \d{4}-\d\d-\d\d/)
    expect(stdout).toMatch(/events_old_5 {2}\S+ to \S+ +expired/)
    expect(stdout).toMatch(/events_rest +everything else +default/)
    expect(unwrapped(stdout)).toMatch(/Partitions exist until \S+, \d+ days from now\./)
    expect(stdout).toContain('1 table, no findings.')
    expect(stdout).not.toContain('\u001b')
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(code).toBe(0)
  })

  it('leaves out the middle of a long table, except with --verbose', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 40 })
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const short = await cli(['inspect'], { cwd })
    expect(short.stdout).toContain('.. 23 more; --verbose shows them')
    expect(short.stdout).not.toContain('events_old_20 ')
    const long = await cli(['inspect', '--verbose'], { cwd })
    expect(long.stdout).toContain('events_old_20 ')
    expect(long.stderr).toBe('')
  })

  it('puts one envelope on stdout for --output json, whatever the command', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 3 })
    const cwd = directoryWith(database, {
      tables: [monthly('events', { retentionCount: 3 }), monthly('gone')],
    })
    const json = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { stdout, code } = await cli([...args, '--output', 'json'], { cwd })
      const envelope: Record<string, unknown> = JSON.parse(stdout)
      expect(envelope).toMatchObject({ version: 1, command: args[0], exitCode: code })
      const { hostname: host, port, username: user } = new URL(database.url)
      expect(envelope['database']).toEqual({ name: database.name, host, port: Number(port), user })
      expect(new Date(String(envelope['generatedAt'])).getTime()).toBeGreaterThan(0)
      expect(envelope['tables']).toMatchObject([
        { schema: 'app', name: 'events' },
        { schema: 'app', name: 'gone' },
      ])
      return envelope
    }
    const gone = { exitCode: 4, error: { code: 'partition-not-found' } }

    expect(await json('validate')).toMatchObject({
      tables: [{ valid: true, findings: [{ code: 'current-partition-missing' }] }, gone],
    })
    expect(await json('inspect')).toMatchObject({
      tables: [{ inspection: { method: 'range', key: ['created_at'], hasDefault: false } }, gone],
    })
    expect(await json('plan', '--check')).toMatchObject({
      exitCode: 4,
      tables: [{ exitCode: 2, plan: { version: 1, operations: [{ kind: 'create' }, {}, {}, {}, {}] } }, gone],
    })
    expect(await json('apply')).toMatchObject({
      tables: [{ exitCode: 2, result: { success: true, createdCount: 3, withheldCount: 2 } }, gone],
    })
    expect(await json('maintain', '--allow-destructive')).toMatchObject({
      tables: [
        { exitCode: 0, result: { createdCount: 0, detachedCount: 1, droppedCount: 1 } },
        { exitCode: 4, result: { success: false, errorCode: 'partition-not-found' } },
      ],
    })
  })

  it('names the database first, whatever the command, and never a password', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 3 })
    const cwd = directoryWith(database, { tables: [monthly('events', { dropAfter: '7 days' })] })
    const url = new URL(database.url)
    url.password = 'not-for-your-eyes'
    await database.sql('CREATE TABLE app.old (id bigint, created_at timestamptz NOT NULL)')
    const line = `${database.name} on ${url.host} as ${url.username}`
    for (const args of [
      ['validate'],
      ['inspect'],
      ['plan'],
      ['apply'],
      ['maintain'],
      ['adopt', '--partition', 'old'],
      ['reattach', '--partition', 'old'],
    ]) {
      const { stdout, stderr } = await cli([...args, '--url', url.href], { cwd })
      expect(stdout.split('\n')[0], args[0]).toBe(line)
      expect(stdout.split(line), args[0]).toHaveLength(2)
      expect(stdout + stderr).not.toContain(url.password)
    }
    const sql = await cli(['plan', '--sql'], { cwd })
    expect(sql.stdout.split('\n')[0]).toBe(`-- ${line}`)
    // The library's own output, for machines, has no such line.
    expect((await cli(['plan', '--output', 'metrics'], { cwd })).stdout).not.toContain(line)
  })

  it('gives an envelope also where the configuration is wrong', async () => {
    const cwd = directoryWith({ url: 'postgres://127.0.0.1/x' }, { tables: [] })
    const { stdout, stderr, code } = await cli(['plan', '--output', 'json'], { cwd })
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      command: 'plan',
      exitCode: 4,
      tables: [],
      error: { code: 'invalid-config', problems: [{ path: ['tables'] }] },
    })
    expect(JSON.parse(stdout)).not.toHaveProperty('database')
    expect(stderr).toContain('partsmith.config.json:')
    expect(code).toBe(4)
  })

  it('gives metrics in the Prometheus format, with every series there', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { past: 3 })
    await database.sql(`COMMENT ON TABLE app.events_old_1 IS 'kept'`)
    const cwd = directoryWith(database, {
      tables: [monthly('events', { retentionCount: 3, dropAfter: '7 days' }), monthly('gone')],
    })

    const maintained = await cli(['maintain', '--allow-destructive', '--output', 'metrics'], { cwd })
    const seen = samplesOf(maintained.stdout)
    expect(seen.get('pg_partsmith_applied_operations{table="app.events",kind="create"}')).toBe(3)
    expect(seen.get('pg_partsmith_applied_operations{table="app.events",kind="detach"}')).toBe(1)
    expect(seen.get('pg_partsmith_applied_operations{table="app.events",kind="drop"}')).toBe(0)
    expect(seen.get('pg_partsmith_issues{table="app.events"}')).toBe(0)
    expect(seen.get('pg_partsmith_issues{table="app.gone"}')).toBe(1)
    expect(seen.get('pg_partsmith_pending_operations{table="app.events",kind="create"}')).toBe(0)
    expect(seen.get('pg_partsmith_detached_partitions{table="app.events"}')).toBe(1)
    expect(seen.get('pg_partsmith_oldest_detached_age_seconds{table="app.events"}')).toBeLessThan(60)
    expect(seen.get('pg_partsmith_runway_seconds{table="app.events"}')).toBeGreaterThan(50 * 86_400)
    expect(seen.get('pg_partsmith_partitions{table="app.events",state="current"}')).toBe(1)
    expect(seen.get('pg_partsmith_partitions{table="app.events",state="detached"}')).toBe(1)
    expect(seen.get('pg_partsmith_partitions{table="app.events",state="missing"}')).toBe(0)
    expect(seen.get('pg_partsmith_findings{table="app.events",severity="info"}')).toBe(1)
    expect(seen.get('pg_partsmith_gave_way{table="app.events"}')).toBe(0)
    expect(seen.get('pg_partsmith_default_rows{table="app.events"}')).toBe(0)
    expect(seen.get('pg_partsmith_up{table="app.events"}')).toBe(1)
    expect(seen.get('pg_partsmith_up{table="app.gone"}')).toBe(0)
    expect(seen.get('pg_partsmith_exit_code{command="maintain"}')).toBe(maintained.code)
    const age = Date.now() / 1_000 - (seen.get('pg_partsmith_run_timestamp_seconds{command="maintain"}') ?? 0)
    expect(age).toBeLessThan(60)

    const planned = samplesOf((await cli(['plan', '--output', 'metrics'], { cwd })).stdout)
    expect(planned.get('pg_partsmith_pending_operations{table="app.events",kind="drop"}')).toBe(0)
    const inspected = samplesOf((await cli(['inspect', '--output', 'metrics'], { cwd })).stdout)
    expect(inspected.has('pg_partsmith_pending_operations{table="app.events",kind="create"}')).toBe(true)
    expect(inspected.has('pg_partsmith_applied_operations{table="app.events",kind="create"}')).toBe(false)
  })

  it('still gives metrics where the server cannot be reached', async () => {
    const cwd = directoryWith({ url: 'postgres://127.0.0.1:1/x' }, { tables: [monthly('a'), monthly('b')] })
    const { stdout, stderr, code } = await cli(['inspect', '--output', 'metrics'], { cwd })
    const seen = samplesOf(stdout)
    expect(seen.get('pg_partsmith_up{table="app.a"}')).toBe(0)
    expect(seen.get('pg_partsmith_up{table="app.b"}')).toBe(0)
    expect(stderr.match(/nothing listens there/g)).toHaveLength(1)
    expect(code).toBe(5)
  })

  it('writes a file whole with --write, keeps its mode and the link to it, and prints nothing', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, { tables: [monthly('events')] })
    writeFileSync(join(cwd, 'real.prom'), 'old')
    chmodSync(join(cwd, 'real.prom'), 0o640)
    symlinkSync('real.prom', join(cwd, 'link.prom'))

    const { code, stdout } = await cli(['plan', '--output', 'metrics', '--write', 'link.prom'], { cwd })

    expect(stdout).toBe('')
    expect(code).toBe(0)
    expect(readFileSync(join(cwd, 'real.prom'), 'utf8')).toContain('# TYPE pg_partsmith_up gauge')
    expect(statSync(join(cwd, 'real.prom')).mode & 0o777).toBe(0o640)
    expect(readdirSync(cwd).sort()).toEqual(['link.prom', 'partsmith.config.json', 'real.prom'])
  })

  it('ends with 4 before it connects where the file cannot be written, and keeps what is there', async () => {
    const cwd = directoryWith({ url: 'postgres://127.0.0.1:1/x' }, { tables: [monthly('events')] })
    mkdirSync(join(cwd, 'directory'))
    writeFileSync(join(cwd, 'file'), 'old')
    for (const [file, why] of [
      ['nowhere/out.json', 'its directory does not exist'],
      ['directory', 'it is a directory'],
      ['file/out.json', 'a part of its path is not a directory'],
      ['/dev/null', 'it is not a regular file'],
    ] as const) {
      const { code, stderr } = await cli(['inspect', '--write', file], { cwd })
      expect(stderr).toContain(`${file} cannot be written: ${why}.`)
      expect(code).toBe(4)
    }
    expect(readFileSync(join(cwd, 'file'), 'utf8')).toBe('old')
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    expect((await cli(['plan', '--save', 'nowhere/plan.json'], { cwd })).code).toBe(4)
  })

  it('prints the JSON Schema of the configuration, or writes it', async () => {
    const cwd = workingDirectory()
    const { stdout, code } = await cli(['schema'], { cwd })
    expect(JSON.parse(stdout)).toMatchObject({ title: 'pg-partsmith configuration', required: ['tables'] })
    expect(code).toBe(0)
    const written = await cli(['schema', '--write', 'partsmith.schema.json'], { cwd })
    expect(written.stdout).toBe('')
    expect(readFileSync(join(cwd, 'partsmith.schema.json'), 'utf8')).toBe(stdout)
    expect((await cli(['schema', '--write', 'no/where'], { cwd })).code).toBe(4)
  })

  it('logs to standard error with --verbose, and only there', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const { stdout, stderr } = await cli(['maintain', '--verbose', '--output', 'json'], { cwd })

    expect(stderr).toMatch(/^\d{4}-\d\d-\d\dT\S+ info {2}create app\.events__\d{4}_\d\d/m)
    expect(JSON.parse(stdout).command).toBe('maintain')
  })
})

/** The samples by name and labels, after a check that every line is one of the format. */
function samplesOf(text: string): ReadonlyMap<string, number> {
  const samples = new Map<string, number>()
  const described = new Set<string>()
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const comment = /^# (?:HELP|TYPE) (\w+) .+$/.exec(line)
    if (comment?.[1] !== undefined) {
      described.add(comment[1])
      continue
    }
    const match = /^((\w+)\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+\}) ([-+\d.eE]+|\+Inf)$/.exec(line)
    expect(match, line).not.toBeNull()
    expect(described).toContain(match?.[2])
    // Of which server and database is on every one.
    expect(match?.[1]).toMatch(/\{server="127\.0\.0\.1:\d+",database="\w+",/)
    const series = match?.[1]?.replace(/server="[^"]*",database="[^"]*",/, '') ?? ''
    samples.set(series, Number(match?.[3]?.replace('+Inf', 'Infinity')))
  }
  expect(text.endsWith('\n')).toBe(true)
  return samples
}

describe.runIf(existsSync('/dev/full'))('output that cannot be written', () => {
  it('is a failure, whatever else went well', () => {
    const full = openSync('/dev/full', 'w')
    onTestFinished(() => {
      closeSync(full)
    })
    const { status } = spawnSync(process.execPath, [builtProgram(), 'schema'], {
      stdio: ['ignore', full, 'ignore'],
    })
    expect(status).toBe(1)
  })
})
