import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeCli, unwrapped, workingDirectory } from '../support/cli.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'

const config = JSON.stringify({
  defaults: { schema: 'app', partitionColumn: 'at', granularity: 'month', createAheadCount: 1 },
  tables: [
    { tableName: 'events', dropAfter: '7 days' },
    { tableName: 'audit', retentionCount: 1, dropAfter: '0 seconds' },
    { tableName: 'unset', retentionCount: 1 },
    { tableName: 'kept', dropAfter: 'never' },
  ],
})

describeCli('adopt', (major, cli) => {
  async function prepared(): Promise<{
    cwd: string
    env: { PG_PARTSMITH_URL: string }
    readonly database: TestDatabase
    readonly comment: () => Promise<unknown>
  }> {
    const database = await createDatabase(major)
    await database.sql(`CREATE SCHEMA app;
      CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.audit (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.unset (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.kept (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.events_2019 (at timestamptz NOT NULL);
      INSERT INTO app.events_2019 SELECT now() FROM generate_series(1, 5000);
      CREATE TABLE app.customers (id int PRIMARY KEY, name text, at timestamptz NOT NULL);
      CREATE TABLE app.events_now PARTITION OF app.events FOR VALUES FROM ('2019-01-01') TO ('2019-02-01');
      COMMENT ON TABLE app.events_2019 IS 'from the old days'`)
    const cwd = workingDirectory()
    writeFileSync(join(cwd, 'partsmith.config.json'), config)
    return {
      cwd,
      database,
      env: { PG_PARTSMITH_URL: database.url },
      comment: async () =>
        (await database.sql(`SELECT obj_description('app.events_2019'::regclass) AS comment`))[0]?.[
          'comment'
        ],
    }
  }

  it('marks a detached table, keeps its comment, and the grace period begins', async () => {
    const { cwd, env, comment } = await prepared()
    const adopted = await cli(['adopt', '--table', 'events', '--partition', 'events_2019'], { cwd, env })
    expect(adopted).toMatchObject({ code: 0, stderr: '' })
    expect(adopted.stdout).toContain('Marked 1 table; the grace period begins now.')
    expect(adopted.stdout).toMatch(/adopted {2}events_2019 {2}\d+ kB, (about )?5,000 rows\n/)
    const [, until] =
      /With this configuration, the first run with --allow-destructive after (\S+) drops it\./.exec(
        unwrapped(adopted.stdout),
      ) ?? []
    const [, marked] = /:detached-at=(\S+)/.exec(String(await comment())) ?? []
    expect(Date.parse(until ?? '') - Date.parse(marked ?? '')).toBe(7 * 86_400_000)
    expect(unwrapped(adopted.stdout)).toContain(
      'To keep it after all, clear its comment: COMMENT ON TABLE app.events_2019 IS NULL;',
    )
    expect(await comment()).toMatch(/^pg-partsmith:orphan-parent=app\.events\n[^]*\nfrom the old days$/)
    const plan = await cli(['plan', '--table', 'events'], { cwd, env })
    expect(unwrapped(plan.stdout)).toContain('app.events_2019 was detached at')
    expect(plan.stdout).not.toMatch(/drop\s+events_2019/)
  })

  it('says what becomes of the table where none is wanted, and where nothing is dropped', async () => {
    const { cwd, env } = await prepared()
    const atOnce = await cli(['adopt', '--table', 'audit', '--partition', 'events_2019'], { cwd, env })
    expect(unwrapped(atOnce.stdout)).toContain(
      'With this configuration, the next run with --allow-destructive drops it, because dropAfter is 0 seconds.',
    )
    expect(atOnce.stdout).toMatch(/\nMarked 1 table\.\n$/)
    const never = await cli(['adopt', '--table', 'kept', '--partition', 'events_2019'], { cwd, env })
    expect(never.stdout).toContain('It is never dropped, because dropAfter is never.')
    expect(never.stdout).toMatch(/\nMarked 1 table\.\n$/)
  })

  it('refuses a table that was never a partition, and one that the next run would drop at once', async () => {
    const { cwd, env, comment } = await prepared()
    const stranger = await cli(['adopt', '--table', 'events', '--partition', 'customers'], { cwd, env })
    expect(unwrapped(stranger.stderr)).toContain(
      'app.customers is not like a partition of app.events: it has a column "id" of type integer that app.events does not have; it has a column "name" of type text that app.events does not have.',
    )
    expect(stranger.code).toBe(3)
    const unset = await cli(['adopt', '--table', 'unset', '--partition', 'events_2019'], { cwd, env })
    expect(unwrapped(unset.stderr)).toContain('Set one, such as `dropAfter: 7 days`')
    expect(unset.code).toBe(4)
    expect(await comment()).toBe('from the old days')
  })

  it('can be taken back by clearing the comment, wherever the table is and whatever it is called', async () => {
    const { cwd, env, database } = await prepared()
    await cli(['adopt', '--table', 'audit', '--partition', 'events_2019'], { cwd, env })
    await database.sql('ALTER TABLE app.events_2019 RENAME TO precious')
    const planned = async (): Promise<string> =>
      (await cli(['plan', '--table', 'audit'], { cwd, env })).stdout
    expect(await planned()).toMatch(/drop +precious/)
    await database.sql('COMMENT ON TABLE app.precious IS NULL')
    expect(await planned()).not.toContain('precious')
  })

  it('refuses an attached table and one that is not there, and says so', async () => {
    const { cwd, env, comment } = await prepared()
    const attached = await cli(['adopt', '--table', 'events', '--partition', 'events_now'], { cwd, env })
    expect(attached.stderr).toContain('app.events_now is an attached partition')
    expect(attached.code).toBe(3)
    const missing = await cli(['adopt', '--table', 'events', '--partition', 'nowhere'], { cwd, env })
    expect(missing.stderr).toContain('There is no table app.nowhere to adopt.')
    expect(missing.code).toBe(4)
    expect(await comment()).toBe('from the old days')
  })

  it('needs to know which table it belonged to, and which one is meant', async () => {
    const { cwd, env, comment } = await prepared()
    const unclear = await cli(['adopt', '--partition', 'events_2019'], { cwd, env })
    expect(unwrapped(unclear.stderr)).toContain(
      'Say it with --table: app.events, app.audit, app.unset, app.kept.',
    )
    expect(unclear.code).toBe(64)
    const nothing = await cli(['adopt', '--table', 'events'], { cwd, env })
    expect(nothing.stderr).toContain('No table to adopt was named.')
    expect(nothing.code).toBe(64)
    expect(await comment()).toBe('from the old days')
  })

  it('says in metrics whether the table can be read, whatever was wrong with the name of the partition', async () => {
    const { cwd, env, database } = await prepared()
    const up = async (): Promise<string | undefined> => {
      const args = ['adopt', '--table', 'events', '--partition', 'nosuch', '--output', 'metrics']
      const { code, stdout } = await cli(args, { cwd, env })
      expect(code).toBe(4)
      return /^pg_partsmith_up\{.*table="app\.events"\} (\d)$/m.exec(stdout)?.[1]
    }
    expect(await up()).toBe('1')
    await database.sql('DROP TABLE app.events')
    expect(await up()).toBe('0')
  })
})
