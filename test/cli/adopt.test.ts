import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeCli, unwrapped, workingDirectory } from '../support/cli.ts'
import { createDatabase } from '../support/database.ts'

const config = JSON.stringify({
  defaults: { schema: 'app', partitionColumn: 'at', granularity: 'month', createAheadCount: 1 },
  tables: [
    { tableName: 'events', dropAfter: '7 days' },
    { tableName: 'audit', retentionCount: 1 },
  ],
})

describeCli('adopt', (major, cli) => {
  async function prepared(): Promise<{
    cwd: string
    env: { PG_PARTSMITH_URL: string }
    readonly comment: () => Promise<unknown>
  }> {
    const database = await createDatabase(major)
    await database.sql(`CREATE SCHEMA app;
      CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.audit (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.events_2019 (at timestamptz NOT NULL);
      CREATE TABLE app.events_now PARTITION OF app.events FOR VALUES FROM ('2019-01-01') TO ('2019-02-01');
      COMMENT ON TABLE app.events_2019 IS 'from the old days'`)
    const cwd = workingDirectory()
    writeFileSync(join(cwd, 'partsmith.config.json'), config)
    return {
      cwd,
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
    expect(await comment()).toMatch(/^pg-partsmith:orphan-parent=app\.events\n[^]*\nfrom the old days$/)
    const plan = await cli(['plan', '--table', 'events'], { cwd, env })
    expect(unwrapped(plan.stdout)).toContain('app.events_2019 was detached at')
    expect(plan.stdout).not.toMatch(/drop\s+events_2019/)
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
    expect(unwrapped(unclear.stderr)).toContain('Say it with --table: app.events, app.audit.')
    expect(unclear.code).toBe(64)
    const nothing = await cli(['adopt', '--table', 'events'], { cwd, env })
    expect(nothing.stderr).toContain('No table to adopt was named.')
    expect(nothing.code).toBe(64)
    expect(await comment()).toBe('from the old days')
  })
})
